defmodule Bowling do
  @moduledoc "Scores of a game of bowling."

  @doc "The score of all rolls of a finished game."
  def score(rolls), do: frames(rolls, 1, 0)

  defp frames(_rolls, 11, sum), do: sum

  defp frames([10, a, b | rest], frame, sum),
    do: frames([a, b | rest], frame + 1, sum + 10 + a + b)

  defp frames([a, b, c | rest], frame, sum) when a + b == 10,
    do: frames([c | rest], frame + 1, sum + 10 + c)

  defp frames([a, b | rest], frame, sum), do: frames(rest, frame + 1, sum + a + b)
end
