"""One figure, one file, named after it: a function `pictures` marked `@figure(...)`."""
