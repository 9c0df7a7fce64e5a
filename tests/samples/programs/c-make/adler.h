#ifndef ADLER_H
#define ADLER_H

#include <stddef.h>
#include <stdint.h>

/* Adler-32 of some bytes (RFC 1950, section 9). */
uint32_t adler32(const unsigned char *bytes, size_t length);

#endif
