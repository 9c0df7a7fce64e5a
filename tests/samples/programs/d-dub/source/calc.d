module calc;

int add(int a, int b) pure
{
    return a + b;
}

unittest
{
    assert(add(2, 3) == 5);
}

unittest
{
    assert(add(-1, 1) == 0);
}
