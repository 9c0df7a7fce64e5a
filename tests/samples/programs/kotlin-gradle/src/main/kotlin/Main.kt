package com.example

fun add(a: Int, b: Int) = a + b

fun main() = println(add(1, 2))
