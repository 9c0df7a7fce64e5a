<?php

declare(strict_types=1);

namespace Example\Isbn;

/** The number of a book, thirteen digits. */
final class Isbn
{
    private function __construct(public readonly string $digits)
    {
    }

    /** @throws \InvalidArgumentException where the check digit is wrong */
    public static function parse(string $text): self
    {
        $digits = str_replace(['-', ' '], '', $text);
        if (preg_match('/^\d{13}$/', $digits) !== 1 || self::sum($digits) % 10 !== 0) {
            throw new \InvalidArgumentException("no ISBN: $text");
        }

        return new self($digits);
    }

    private static function sum(string $digits): int
    {
        $sum = 0;
        foreach (str_split($digits) as $place => $digit) {
            $sum += (int) $digit * ($place % 2 === 0 ? 1 : 3);
        }

        return $sum;
    }
}
