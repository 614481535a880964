"""The services of Boothline: they meet only in Kafka."""
