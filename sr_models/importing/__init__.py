"""Networks of other people: read without running their code, brought into the form we export."""
