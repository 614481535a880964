"""`python -m stack.drill.outside`: serve until a signal comes."""

from stack.drill.outside.serving import main

main()
