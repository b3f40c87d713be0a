"""Reads logits and labels from the files that people have, in a form that can be scored.

Files are read without ever unpickling (`files`). An array's name says which part it is of, and whether it has
logits or labels (`names`). What is in it is checked and brought to one form: logits [N, K] and class numbers
[N] (`shapes`, `labels`, `logits`). What a person should know of that, and what to doubt (`doubts`), comes
back as notes.
"""

from results.scoring.logits_input.doubts import doubts
from results.scoring.logits_input.files import read
from results.scoring.logits_input.logits import Part, checked
from results.scoring.logits_input.names import Names, chosen
from results.scoring.logits_input.notes import Note

__all__ = ["Names", "Note", "Part", "checked", "chosen", "doubts", "read"]
