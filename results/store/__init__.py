"""Where results lie: files and rows, in a folder or a bucket; commit, survey, verification, mending."""
