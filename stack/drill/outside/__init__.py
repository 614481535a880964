"""The world outside as one small process: a carrier that counts instead of keeping, and people who answer by link or
reply. Memory does not grow with the number of messages: what must be kept is appended to files."""
