"""Result tables, from the rows alone: for the screen, Markdown, LaTeX, HTML and CSV."""
