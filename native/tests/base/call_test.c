/* Calling functions by their address: every kind of argument in registers and on the stack. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "../harness.h"
#include "host/internal.h"

enum { FUNCTION, RESULT_KIND, COUNT, RESULT, ARGUMENTS, WORDS = ARGUMENTS + 2 * 40 };

static uint64_t frame[WORDS];

static void begin(void *function, uint64_t result_kind) {
  memset(frame, 0, sizeof frame);
  frame[FUNCTION] = (uint64_t)(uintptr_t)function;
  frame[RESULT_KIND] = result_kind;
}

static void add(uint64_t kind, const void *value, size_t size) {
  uint64_t *argument = frame + ARGUMENTS + 2 * frame[COUNT]++;
  argument[0] = kind;
  memcpy(argument + 1, value, size);
}

static void add_integer(int64_t value) { add(ENETJS_CALL_INTEGER, &value, sizeof value); }
static void add_float(float value) { add(ENETJS_CALL_FLOAT, &value, sizeof value); }
static void add_double(double value) { add(ENETJS_CALL_DOUBLE, &value, sizeof value); }

static double call(void) { return enetjs_call((uint8_t *)frame, sizeof frame); }

static double weigh(int8_t a, double b, float c, int64_t d, uint16_t e, double f, int g, int h, float i,
                    int64_t j, double k, int l, double m, double n, double o, float p, double q, int r) {
  return a + 2 * b + 3 * c + 4 * (double)d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * (double)j + 11 * k +
         12 * l + 13 * m + 14 * n + 15 * o + 16 * p + 17 * q + 18 * r;
}

static float halve(float value) { return value / 2; }
static int64_t negate(int64_t value) { return -value; }

static double sum(int count, ...) {
  double result = 0;
  va_list values;
  va_start(values, count);
  for (int i = 0; i < count; i++) result += va_arg(values, double);
  va_end(values);
  return result;
}

#define ADDRESS(function) ((void *)(uintptr_t)(function))

TEST(arguments_arrive_in_registers_and_on_the_stack) {
  double result;
  begin(ADDRESS(weigh), ENETJS_CALL_DOUBLE);
  add_integer(-1), add_double(2), add_float(3), add_integer(4), add_integer(5), add_double(6);
  add_integer(-7), add_integer(8), add_float(9), add_integer(10), add_double(11), add_integer(12);
  add_double(13), add_double(14), add_double(15), add_float(16), add_double(17), add_integer(-18);
  CHECK_EQ_INT(call(), 0);
  memcpy(&result, frame + RESULT, sizeof result);
  CHECK(result == weigh(-1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, -18));
}

TEST(results_come_back) {
  float half;
  begin(ADDRESS(halve), ENETJS_CALL_FLOAT);
  add_float(0.5f);
  CHECK_EQ_INT(call(), 0);
  memcpy(&half, frame + RESULT, sizeof half);
  CHECK(half == 0.25f);
  begin(ADDRESS(negate), ENETJS_CALL_INTEGER);
  add_integer(INT64_MAX);
  CHECK_EQ_INT(call(), 0);
  CHECK_EQ_INT((int64_t)frame[RESULT], -INT64_MAX);
}

TEST(variadic_functions_get_their_doubles) {
  double result;
  begin(ADDRESS(sum), ENETJS_CALL_DOUBLE);
  add_integer(12);
  for (int i = 1; i <= 12; i++) add_double(i);
  CHECK_EQ_INT(call(), 0);
  memcpy(&result, frame + RESULT, sizeof result);
  CHECK(result == 78);
}

TEST(senseless_frames_are_refused) {
  begin(ADDRESS(negate), ENETJS_CALL_INTEGER);
  CHECK_EQ_INT(enetjs_call(NULL, 32), ENETJS_ERR_ARGUMENT);
  for (size_t i = 0; i < 4; i++) {
    static const double sizes[] = {0, 31, NAN, 1e300};
    CHECK_EQ_INT(enetjs_call((uint8_t *)frame, sizes[i]), ENETJS_ERR_ARGUMENT);
  }
  frame[COUNT] = 1;
  CHECK_EQ_INT(enetjs_call((uint8_t *)frame, 32), ENETJS_ERR_ARGUMENT);
  frame[COUNT] = UINT64_MAX;
  CHECK_EQ_INT(call(), ENETJS_ERR_ARGUMENT);
  frame[COUNT] = 40; /* More than registers and stack hold. */
  CHECK_EQ_INT(call(), ENETJS_ERR_ARGUMENT);
  frame[COUNT] = 1;
  frame[RESULT_KIND] = 3;
  CHECK_EQ_INT(call(), ENETJS_ERR_ARGUMENT);
  begin(NULL, ENETJS_CALL_INTEGER);
  CHECK_EQ_INT(call(), ENETJS_ERR_ARGUMENT);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(arguments_arrive_in_registers_and_on_the_stack),
      TEST_CASE(results_come_back),
      TEST_CASE(variadic_functions_get_their_doubles),
      TEST_CASE(senseless_frames_are_refused),
  };
  return test_run(cases, TEST_COUNT(cases));
}
