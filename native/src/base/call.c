/*
 * Calls a function whose address and signature are known at run time only.
 *
 * On Windows (x86-64), each of the first four arguments has a register of either kind, by its place, and the
 * others are on the stack. A variadic call fills both registers of the place of an unnamed floating-point
 * argument. So all but the first are passed as such, with the bits of the argument; the first has two calls.
 *
 * On x86-64 (System V) and on ARM64 (AAPCS64, on Linux), integers and floating-point numbers fill registers
 * of their own kind, whatever their order. What does not fit goes to the stack, eight bytes each. A function
 * reads only the registers and the stack of its own parameters, and the caller removes the arguments. So one
 * call that fills all registers and some of the stack serves every signature. The call is variadic, because a
 * variadic call on x86-64 also tells how many vector registers are in use, which variadic functions read and
 * others ignore.
 *
 * The C standard does not define the call: its type is not that of the function (C11, 6.3.2.3, paragraph 8).
 * The calling convention defines it, so the code is compiled only where that is one of the two. A compiler
 * could make use of the undefined call only if it knew the function, and the address is a number that comes
 * at run time.
 *
 * Any thread may call. The function that is called runs on that thread.
 */
#include <string.h>

#include "base/number.h"
#include "enetjs.h"

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__linux__))

_Static_assert(sizeof(void *) == 8 && sizeof(double) == 8,
               "an argument is a register or eight bytes of the stack");

/* Clang's sanitizer for undefined behaviour can compare the type of a call with that of the function. */
#ifdef __clang__
#define CALLS_BY_ADDRESS __attribute__((no_sanitize("function")))
#else
#define CALLS_BY_ADDRESS
#endif

#define DOUBLES 8
#define STACK 16

enum { FUNCTION, RESULT_KIND, COUNT, RESULT, ARGUMENTS };

#define STACK_ARGUMENTS(r)                                                                        \
  r.stack[0], r.stack[1], r.stack[2], r.stack[3], r.stack[4], r.stack[5], r.stack[6], r.stack[7], \
      r.stack[8], r.stack[9], r.stack[10], r.stack[11], r.stack[12], r.stack[13], r.stack[14], r.stack[15]

#ifdef _WIN32

#define PLACES 4

struct registers {
  bool first_is_integer;
  double place[PLACES];
  uint64_t stack[STACK];
};

static bool distribute(struct registers *to, const uint64_t *arguments, uint64_t count) {
  if (count > PLACES + STACK) return false;
  to->first_is_integer = count > 0 && arguments[0] == ENETJS_CALL_INTEGER;
  for (uint64_t i = 0; i < count; i++) {
    if (i < PLACES)
      memcpy(&to->place[i], &arguments[2 * i + 1], sizeof to->place[i]);
    else
      to->stack[i - PLACES] = arguments[2 * i + 1];
  }
  return true;
}

static uint64_t bits_of(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

#define CALL_WITH(function, type, first_type, first, r) \
  ((type (*)(first_type, ...))(function))(first, r.place[1], r.place[2], r.place[3], STACK_ARGUMENTS(r))
#define CALL(function, type, r)                                                           \
  (r.first_is_integer ? CALL_WITH(function, type, uint64_t, bits_of(r.place[0]), r)       \
                      : CALL_WITH(function, type, double, r.place[0], r))

#else

#ifdef __x86_64__
#define INTEGERS 6
#else
#define INTEGERS 8
#endif

struct registers {
  uint64_t integer[8];
  double real[DOUBLES];
  uint64_t stack[STACK];
};

/* Sorts the arguments into registers and stack. @returns whether there was room for all */
static bool distribute(struct registers *to, const uint64_t *arguments, uint64_t count) {
  size_t integers = 0, reals = 0, stacked = 0;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t kind = arguments[2 * i], bits = arguments[2 * i + 1];
    if (kind == ENETJS_CALL_INTEGER && integers < INTEGERS) {
      to->integer[integers++] = bits;
    } else if (kind != ENETJS_CALL_INTEGER && reals < DOUBLES) {
      memcpy(&to->real[reals++], &bits, sizeof bits);
    } else if (stacked < STACK) {
      to->stack[stacked++] = bits;
    } else {
      return false;
    }
  }
  return true;
}

#ifdef __x86_64__
#define INTEGER_ARGUMENTS(r) \
  r.integer[0], r.integer[1], r.integer[2], r.integer[3], r.integer[4], r.integer[5]
#else
#define INTEGER_ARGUMENTS(r)                                                                        \
  r.integer[0], r.integer[1], r.integer[2], r.integer[3], r.integer[4], r.integer[5], r.integer[6], \
      r.integer[7]
#endif
#define REAL_ARGUMENTS(r) \
  r.real[0], r.real[1], r.real[2], r.real[3], r.real[4], r.real[5], r.real[6], r.real[7]
#define CALL(function, type, r) \
  ((type (*)(uint64_t, ...))(function))(INTEGER_ARGUMENTS(r), REAL_ARGUMENTS(r), STACK_ARGUMENTS(r))

#endif

CALLS_BY_ADDRESS double enetjs_call(uint8_t *frame, double bytes) {
  uint64_t *words = (uint64_t *)(void *)frame;
  struct registers registers;
  float small;
  double real;
  memset(&registers, 0, sizeof registers);
  if (frame == NULL || !enetjs_is_integer(bytes, ARGUMENTS * 8, 65536)) return ENETJS_ERR_ARGUMENT;
  if (words[FUNCTION] == 0 || words[COUNT] > ((uint64_t)bytes / 8 - ARGUMENTS) / 2)
    return ENETJS_ERR_ARGUMENT;
  if (!distribute(&registers, words + ARGUMENTS, words[COUNT])) return ENETJS_ERR_ARGUMENT;
  uintptr_t function = (uintptr_t)words[FUNCTION];
  switch (words[RESULT_KIND]) {
    case ENETJS_CALL_INTEGER: words[RESULT] = CALL(function, uint64_t, registers); return 0;
    case ENETJS_CALL_FLOAT:
      small = CALL(function, float, registers);
      memcpy(&words[RESULT], &small, sizeof small);
      return 0;
    case ENETJS_CALL_DOUBLE:
      real = CALL(function, double, registers);
      memcpy(&words[RESULT], &real, sizeof real);
      return 0;
    default: return ENETJS_ERR_ARGUMENT;
  }
}

#else

double enetjs_call(uint8_t *frame, double bytes) {
  (void)frame;
  (void)bytes;
  return ENETJS_ERR_ARGUMENT;
}

#endif
