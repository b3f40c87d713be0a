"""Result tables, from rows and stored logits: for the screen, Markdown, LaTeX, HTML and CSV."""
