package org.acme;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class StackTest {
    @Test
    public void lastFirst() {
        Stack<String> stack = new Stack<>();
        stack.push("a");
        stack.push("b");
        assertEquals("b", stack.pop());
    }

    @Test(expected = IndexOutOfBoundsException.class)
    public void empty() {
        new Stack<String>().pop();
    }
}
