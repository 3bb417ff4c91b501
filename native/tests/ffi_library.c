/* Functions that the tests of the public FFI call: every type there and back, structs, callbacks, errno. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#define API __declspec(dllexport)
#else
#include <pthread.h>
#define API __attribute__((visibility("default")))
#endif

/* ---- One value there and back -------------------------------------------------------------- */

#define ROUND_TRIP(name, type) \
  API type round_##name(type value) { return value; }
ROUND_TRIP(i8, int8_t)
ROUND_TRIP(u8, uint8_t)
ROUND_TRIP(i16, int16_t)
ROUND_TRIP(u16, uint16_t)
ROUND_TRIP(i32, int32_t)
ROUND_TRIP(u32, uint32_t)
ROUND_TRIP(i64, int64_t)
ROUND_TRIP(u64, uint64_t)
ROUND_TRIP(size, size_t)
ROUND_TRIP(f32, float)
ROUND_TRIP(f64, double)
ROUND_TRIP(bool, bool)
ROUND_TRIP(char, char)
ROUND_TRIP(long, long)
ROUND_TRIP(pointer, void *)

/* The sizes of C's own types, in the order that the test names them. */
API size_t size_of(int type) {
  static const size_t sizes[] = {sizeof(char),      sizeof(short),  sizeof(int),   sizeof(long),
                                 sizeof(long long), sizeof(size_t), sizeof(float), sizeof(double),
                                 sizeof(bool),      sizeof(void *)};
  return type >= 0 && (size_t)type < sizeof sizes / sizeof *sizes ? sizes[type] : 0;
}

/* What C prints a value as. */
#define PRINT(name, type, format)                                \
  API int print_##name(char *out, size_t capacity, type value) { \
    return snprintf(out, capacity, format, value);               \
  }
PRINT(i64, int64_t, "%" PRId64)
PRINT(u64, uint64_t, "%" PRIu64)
PRINT(f32, float, "%.9g")
PRINT(f64, double, "%.17g")

/* ---- Many arguments ------------------------------------------------------------------------ */

/* What the last call was given, as C prints it. */
struct journal {
  char text[1024];
  size_t length;
};
static struct journal journal;

static void note(const char *format, ...) {
  va_list values;
  va_start(values, format);
  journal.length +=
      (size_t)vsnprintf(journal.text + journal.length, sizeof journal.text - journal.length, format, values);
  va_end(values);
}

API const char *last_call(void) { return journal.text; }

#define BEGIN() (journal.length = 0, journal.text[0] = 0)
#define NOTE_b(value) note("%d ", value)
#define NOTE_c(value) note("%d ", value)
#define NOTE_h(value) note("%u ", value)
#define NOTE_i(value) note("%d ", value)
#define NOTE_l(value) note("%" PRId64 " ", value)
#define NOTE_u(value) note("%" PRIu64 " ", value)
#define NOTE_f(value) note("%.9g ", value)
#define NOTE_d(value) note("%.17g ", value)
#define TYPE_b bool
#define TYPE_c int8_t
#define TYPE_h uint16_t
#define TYPE_i int32_t
#define TYPE_l int64_t
#define TYPE_u uint64_t
#define TYPE_f float
#define TYPE_d double

#define PARAMETER(type, n) TYPE_##type x##n
#define WRITE(type, n) NOTE_##type(x##n);

/*
 * Functions of each number of parameters, in eight rotations of the eight types: so each type comes
 * in each position of each length.
 */
API int mixed_0_0(void) {
  BEGIN();
  return 0;
}
/* clang-format off */
#define MIXED_1(r, a) \
  API int mixed_1_##r(PARAMETER(a, 0)) { \
    BEGIN(); \
    WRITE(a, 0) \
    return 1; \
  }
#define MIXED_2(r, a, b) \
  API int mixed_2_##r(PARAMETER(a, 0), PARAMETER(b, 1)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) \
    return 2; \
  }
#define MIXED_3(r, a, b, c) \
  API int mixed_3_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) \
    return 3; \
  }
#define MIXED_4(r, a, b, c, d) \
  API int mixed_4_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) \
    return 4; \
  }
#define MIXED_5(r, a, b, c, d, e) \
  API int mixed_5_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) \
    return 5; \
  }
#define MIXED_6(r, a, b, c, d, e, f) \
  API int mixed_6_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) \
    return 6; \
  }
#define MIXED_7(r, a, b, c, d, e, f, g) \
  API int mixed_7_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) \
    return 7; \
  }
#define MIXED_8(r, a, b, c, d, e, f, g, h) \
  API int mixed_8_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6), PARAMETER(h, 7)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) WRITE(h, 7) \
    return 8; \
  }
#define MIXED_9(r, a, b, c, d, e, f, g, h, i) \
  API int mixed_9_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6), PARAMETER(h, 7), PARAMETER(i, 8)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) WRITE(h, 7) \
    WRITE(i, 8) \
    return 9; \
  }
#define MIXED_10(r, a, b, c, d, e, f, g, h, i, j) \
  API int mixed_10_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6), PARAMETER(h, 7), PARAMETER(i, 8), PARAMETER(j, 9)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) WRITE(h, 7) \
    WRITE(i, 8) WRITE(j, 9) \
    return 10; \
  }
#define MIXED_11(r, a, b, c, d, e, f, g, h, i, j, k) \
  API int mixed_11_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6), PARAMETER(h, 7), PARAMETER(i, 8), PARAMETER(j, 9), PARAMETER(k, 10)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) WRITE(h, 7) \
    WRITE(i, 8) WRITE(j, 9) WRITE(k, 10) \
    return 11; \
  }
#define MIXED_12(r, a, b, c, d, e, f, g, h, i, j, k, l) \
  API int mixed_12_##r(PARAMETER(a, 0), PARAMETER(b, 1), PARAMETER(c, 2), PARAMETER(d, 3), PARAMETER(e, 4), \
      PARAMETER(f, 5), \
      PARAMETER(g, 6), PARAMETER(h, 7), PARAMETER(i, 8), PARAMETER(j, 9), PARAMETER(k, 10), \
      PARAMETER(l, 11)) { \
    BEGIN(); \
    WRITE(a, 0) WRITE(b, 1) WRITE(c, 2) WRITE(d, 3) WRITE(e, 4) WRITE(f, 5) WRITE(g, 6) WRITE(h, 7) \
    WRITE(i, 8) WRITE(j, 9) WRITE(k, 10) WRITE(l, 11) \
    return 12; \
  }
#define MIXED(r, a, b, c, d, e, f, g, h, i, j, k, l) \
  MIXED_1(r, a) \
  MIXED_2(r, a, b) \
  MIXED_3(r, a, b, c) \
  MIXED_4(r, a, b, c, d) \
  MIXED_5(r, a, b, c, d, e) \
  MIXED_6(r, a, b, c, d, e, f) \
  MIXED_7(r, a, b, c, d, e, f, g) \
  MIXED_8(r, a, b, c, d, e, f, g, h) \
  MIXED_9(r, a, b, c, d, e, f, g, h, i) \
  MIXED_10(r, a, b, c, d, e, f, g, h, i, j) \
  MIXED_11(r, a, b, c, d, e, f, g, h, i, j, k) \
  MIXED_12(r, a, b, c, d, e, f, g, h, i, j, k, l)

MIXED(0, b, c, h, i, l, u, f, d, b, c, h, i)
MIXED(1, c, h, i, l, u, f, d, b, c, h, i, l)
MIXED(2, h, i, l, u, f, d, b, c, h, i, l, u)
MIXED(3, i, l, u, f, d, b, c, h, i, l, u, f)
MIXED(4, l, u, f, d, b, c, h, i, l, u, f, d)
MIXED(5, u, f, d, b, c, h, i, l, u, f, d, b)
MIXED(6, f, d, b, c, h, i, l, u, f, d, b, c)
MIXED(7, d, b, c, h, i, l, u, f, d, b, c, h)
/* clang-format on */

/* ---- Variadic ------------------------------------------------------------------------------ */

API double sum_variadic(int count, ...) {
  double sum = 0;
  va_list values;
  va_start(values, count);
  for (int i = 0; i < count; i++) sum += va_arg(values, double);
  va_end(values);
  return sum;
}

/* ---- Structs ------------------------------------------------------------------------------- */

struct inner {
  int8_t tag;
  double weight;
  uint16_t codes[3];
};

struct outer {
  bool flag;
  int64_t big;
  struct inner one;
  char letter;
  struct inner many[2];
  float ratio;
  void *self;
  uint8_t last;
};

API int print_outer(char *out, size_t capacity, const struct outer *s) {
  int length = snprintf(out, capacity, "%d %" PRId64 " %d %.17g %.9g %d %u", s->flag, s->big, s->letter,
                        s->one.weight, s->ratio, s->self == s, s->last);
  const struct inner *all[] = {&s->one, &s->many[0], &s->many[1]};
  for (size_t i = 0; i < 3; i++) {
    const struct inner *one = all[i];
    length += snprintf(out + length, capacity - (size_t)length, " [%d %.17g %u %u %u]", one->tag, one->weight,
                       one->codes[0], one->codes[1], one->codes[2]);
  }
  return length;
}

API void fill_outer(struct outer *s) {
  memset(s, 0xFF, sizeof *s); /* The padding must not be looked at. */
  *s = (struct outer){.flag = true,
                      .big = INT64_MIN,
                      .one = {-128, 0.1, {1, 2, 65535}},
                      .letter = 'x',
                      .many = {{1, -1.5, {3, 4, 5}}, {2, 1e300, {6, 7, 8}}},
                      .ratio = 0.25f,
                      .self = s,
                      .last = 255};
}

/* Where everything lies, as the compiler says. */
API size_t outer_layout(int index) {
  static const size_t layout[] = {
      sizeof(struct outer),          sizeof(struct inner),          offsetof(struct outer, flag),
      offsetof(struct outer, big),   offsetof(struct outer, one),   offsetof(struct outer, letter),
      offsetof(struct outer, many),  offsetof(struct outer, ratio), offsetof(struct outer, self),
      offsetof(struct outer, last),  offsetof(struct inner, tag),   offsetof(struct inner, weight),
      offsetof(struct inner, codes),
  };
  return layout[index];
}

static struct outer shared_outer;

API const struct outer *get_outer(bool some) {
  if (!some) return NULL;
  fill_outer(&shared_outer);
  return &shared_outer;
}

/* ---- Functions and callbacks --------------------------------------------------------------- */

static double multiply(double a, int32_t b) { return a * b; }

/* A function that has no name outside. */
API void *get_multiply(void) { return (void *)(uintptr_t)multiply; }

typedef double (*mixed_callback)(int8_t, uint16_t, int64_t, uint64_t, float, double, bool, const char *,
                                 void *);

API double call_mixed(mixed_callback callback) {
  return callback(-5, 65535, INT64_MIN, UINT64_MAX, 0.5f, -0.0, true, "text", NULL);
}

#define CALL_ROUND(name, type) \
  API type call_##name(type (*callback)(type), type value) { return callback(value); }
CALL_ROUND(i8, int8_t)
CALL_ROUND(u8, uint8_t)
CALL_ROUND(i16, int16_t)
CALL_ROUND(u16, uint16_t)
CALL_ROUND(i32, int32_t)
CALL_ROUND(u32, uint32_t)
CALL_ROUND(i64, int64_t)
CALL_ROUND(u64, uint64_t)
CALL_ROUND(f32, float)
CALL_ROUND(f64, double)
CALL_ROUND(bool, bool)

API int64_t call_outer(int64_t (*callback)(const struct outer *)) {
  fill_outer(&shared_outer);
  return callback(&shared_outer);
}

/* Calls it so often, and counts what it returns. */
API int call_times(int (*callback)(int), int times) {
  int sum = 0;
  for (int i = 0; i < times; i++) sum += callback(i);
  return sum;
}

API void call_nothing(void (*callback)(void)) { callback(); }

#ifndef _WIN32
struct job {
  void (*callback)(int);
  int times;
};
static struct job job;
static pthread_t worker;

static void *work(void *unused) {
  for (int i = 0; i < job.times; i++) job.callback(i);
  return unused;
}

/* Calls it from a thread of its own, until thread_join. */
API int thread_start(void (*callback)(int), int times) {
  job = (struct job){callback, times};
  return pthread_create(&worker, NULL, work, NULL);
}

API int thread_join(void) { return pthread_join(worker, NULL); }
#endif

/* ---- errno --------------------------------------------------------------------------------- */

API int fail_with(int code) {
  errno = code;
  return -1;
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* The sum of bytes, which changes them. */
API uint32_t sum_bytes(uint8_t *bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i++) {
    sum += bytes[i];
    bytes[i]++;
  }
  return sum;
}

API const char *echo_string(const char *text) {
  static char copy[4096];
  snprintf(copy, sizeof copy, "%s", text);
  return copy;
}
