from click.testing import CliRunner

from tally.__main__ import main
from tally.words import count, most


def test_words_are_counted_without_case():
    assert count("Tea, tea and coffee.") == {"tea": 2, "and": 1, "coffee": 1}


def test_ties_stand_in_the_order_of_the_alphabet():
    assert most("b a c a") == ["a", "b", "c"]


def test_the_command_prints_one_word_a_line(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("one two two")
    assert CliRunner().invoke(main, [str(file)]).output == "two\none\n"
