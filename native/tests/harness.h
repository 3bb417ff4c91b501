/**
 * @file harness.h
 * @brief A test harness in one header, for programs of one source file. Output is TAP.
 *
 *     TEST(adds_up) { CHECK_EQ_INT(1 + 1, 2); }
 *
 *     int main(void)
 *     {
 *         static const struct test_case cases[] = {TEST_CASE(adds_up)};
 *         return test_run(cases, TEST_COUNT(cases));
 *     }
 *
 * A test left out of the table is an unused function, which the compiler reports.
 *
 * A failing CHECK ends its test by longjmp, from however deep, and the next one runs; what the test
 * had allocated or started is then left behind. Only the thread that runs the tests can do that: a
 * failing CHECK on another thread ends the program. Threads had better hand their findings back.
 */
#ifndef ENETJS_TESTS_HARNESS_H
#define ENETJS_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#else
#include <sched.h>
#include <time.h>
#endif

struct test_case {
  const char *name;
  void (*run)(void);
};

#define TEST(name) static void name(void)
#define TEST_CASE(name) \
  { #name, name }
#define TEST_COUNT(cases) (sizeof(cases) / sizeof *(cases))

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) test_fail(__FILE__, __LINE__, "CHECK(" #condition ")"); \
  } while (0)

/* Any two integers that fit in 64 signed bits. */
#define CHECK_EQ_INT(actual, expected) \
  test_check_eq_int(__FILE__, __LINE__, #actual, (long long)(actual), #expected, (long long)(expected))

/* Set only on the thread that runs the tests, and only while one runs. */
#ifdef _MSC_VER
static __declspec(thread) jmp_buf *test_exit;
#else
static _Thread_local jmp_buf *test_exit;
#endif

static inline void test_end(void) {
  if (test_exit) longjmp(*test_exit, 1);
  printf("Bail out! A check failed on a thread that does not run the tests\n");
  fflush(stdout);
  _Exit(1);
}

static inline void test_fail(const char *file, int line, const char *what) {
  printf("# %s:%d: %s is false\n", file, line, what);
  test_end();
}

static inline void test_check_eq_int(const char *file, int line, const char *actual_text, long long actual,
                                     const char *expected_text, long long expected) {
  if (actual == expected) return;
  printf("# %s:%d: CHECK_EQ_INT(%s, %s): %lld is not %lld\n", file, line, actual_text, expected_text, actual,
         expected);
  test_end();
}

static inline bool test_passes(const struct test_case *test) {
  jmp_buf exit_point;
  test_exit = &exit_point;
  if (setjmp(exit_point) != 0) {
    test_exit = NULL;
    return false;
  }
  test->run();
  test_exit = NULL;
  return true;
}

/* Runs all tests and returns the program's exit code. */
static inline int test_run(const struct test_case *cases, size_t count) {
  size_t failed = 0;
  printf("1..%zu\n", count);
  for (size_t i = 0; i < count; i++) {
    bool passed = test_passes(&cases[i]);
    printf("%s %zu - %s\n", passed ? "ok" : "not ok", i + 1, cases[i].name);
    fflush(stdout);
    failed += !passed;
  }
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whether something is not there, and need not be: the variable ENETJS_TESTS_LACK names what. */
static inline bool test_lacks(const char *what) {
  const char *lacking = getenv("ENETJS_TESTS_LACK");
  return lacking && strstr(lacking, what);
}

/* In place of test_run, in a program that can test nothing here. @returns the program's exit code */
static inline int test_skip(const char *reason) {
  printf("1..1\nok 1 - all # SKIP %s\n", reason);
  return EXIT_SUCCESS;
}

/* The next number of a PCG32 sequence. Any start of the state, which is the seed, will do. */
static inline uint32_t test_random_u32(uint64_t *state) {
  uint64_t old = *state;
  uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27);
  uint32_t rotation = (uint32_t)(old >> 59);
  *state = old * 6364136223846793005u + 1442695040888963407u;
  return (shifted >> rotation) | (shifted << (-rotation & 31));
}

/* A number below `limit`, which is not 0; the bias is of no matter to a test. */
static inline uint32_t test_random_below(uint64_t *state, uint32_t limit) {
  return (uint32_t)((uint64_t)test_random_u32(state) * limit >> 32);
}

/* Milliseconds of a clock that nobody sets. */
static inline uint64_t test_now_ms(void) {
#ifdef _WIN32
  return GetTickCount64();
#else
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#endif
}

/* The moment `after_ms` from now, for test_deadline_passed. */
static inline uint64_t test_deadline_ms(uint64_t after_ms) { return test_now_ms() + after_ms; }

static inline bool test_deadline_passed(uint64_t deadline_ms) { return test_now_ms() >= deadline_ms; }

/* Lets another thread run, in a loop that waits for one. */
static inline void test_yield(void) {
#ifdef _WIN32
  SwitchToThread();
#else
  sched_yield();
#endif
}

#endif
