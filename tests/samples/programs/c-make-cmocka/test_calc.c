#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "calc.h"

static void adds(void **s) { (void)s; assert_int_equal(add(1, 2), 3); }
static void zero(void **s) { (void)s; assert_int_equal(add(1, 0), 1); }

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(adds), cmocka_unit_test(zero)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
