<?php

declare(strict_types=1);

namespace Example\Isbn\Tests;

use Example\Isbn\Isbn;
use PHPUnit\Framework\TestCase;

final class IsbnTest extends TestCase
{
    public function testHyphensDoNotMatter(): void
    {
        self::assertSame('9783161484100', Isbn::parse('978-3-16-148410-0')->digits);
    }

    public function testAWrongCheckDigitIsRefused(): void
    {
        $this->expectException(\InvalidArgumentException::class);
        Isbn::parse('978-3-16-148410-1');
    }

    public function testLettersAreRefused(): void
    {
        $this->expectException(\InvalidArgumentException::class);
        Isbn::parse('not a number');
    }
}
