/*
 * A structure-aware fuzzer: peers and strangers, invented by generator.h, do their worst to a real host
 * on a simulated system, and budgets are checked after every datagram.
 *
 * Without arguments it replays the corpus and then feeds a fixed number of datagrams from a fixed seed.
 * A failure prints the command that repeats it. With arguments:
 *
 *   --seed N --datagrams M   one run; a host lives for some thousand datagrams
 *   --strict WHAT            enforces memory, handshakes, time or all, see subject.h
 *   --save FILE              where a failure, or the costliest datagram, leaves the script of its host
 *   --costliest N            measures the costliest datagrams again, as often as it takes to see their true
 *                            cost
 *   --replay FILE            runs a script
 *   --shrink FILE            takes from a script that fails every step that it fails without
 *   --progress               a line now and then
 */
#ifdef __linux__

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "generator.h"

#if defined(__SANITIZE_ADDRESS__)
#define DATAGRAMS 1000000
#else
#define DATAGRAMS 50000 /* they find no more than those */
#endif

#define HOST_DATAGRAMS 10000
#define LAST_STEPS 6
#define PROGRESS_MS 10000
#define REPEATS 7 /* of a measurement, the least of which has met with least interrupts and page faults */

static struct {
  uint64_t seed, datagrams; /* of the host in turn: how it began, and when the run is over */
  const char *save, *strict, *replayed, *shrunk;
  bool progress;
  size_t costliest;
} run = {.seed = 1, .datagrams = DATAGRAMS, .strict = "nothing"};

/* ---- What a failure tells -------------------------------------------------------------------- */

static void print_last_steps(void) {
  size_t at = 0, from[LAST_STEPS] = {0};
  struct step step;
  for (size_t here = 0, i = 0; script_next(&subject.script, &at, &step); here = at)
    from[i++ % LAST_STEPS] = here;
  for (size_t oldest = SIZE_MAX, count = 0; count < LAST_STEPS; count++) {
    size_t next = SIZE_MAX;
    for (size_t i = 0; i < LAST_STEPS; i++)
      if ((oldest == SIZE_MAX || from[i] > oldest) && from[i] < next) next = from[i];
    if (next == SIZE_MAX || !script_next(&subject.script, &(size_t){next}, &step)) return;
    printf("#   ");
    step_write(stdout, &step);
    oldest = next;
  }
}

static void report(void) {
  static bool reported;
  if (reported) return;
  reported = true;
  printf("# Repeat with: fuzz_test --seed %llu --datagrams %llu --strict %s\n# The last steps:\n",
         (unsigned long long)run.seed, (unsigned long long)subject.datagrams, run.strict);
  print_last_steps();
  if (run.save && script_save(&subject.script, run.save, "found by the fuzzer"))
    printf("# Saved as %s\n", run.save);
  fflush(stdout);
}

static void on_signal(int number) {
  report();
  signal(number, SIG_DFL);
  raise(number);
}

/* The sanitizers end the process in a way of their own. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void catch_crashes(void) {
  if (__sanitizer_set_death_callback)
    __sanitizer_set_death_callback(report);
  else
    for (size_t i = 0; i < 4; i++) signal((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGABRT}[i], on_signal);
}

/* Runs what may fail, and reports before its failure goes on. */
static void reported(void (*what)(void)) {
  jmp_buf *outer = test_exit, here;
  test_exit = &here;
  if (setjmp(here) == 0) {
    what();
    test_exit = outer;
    return;
  }
  test_exit = outer;
  report();
  test_end();
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static void replay(void) {
  struct script script = subject.script;
  struct step step;
  memset(&subject.script, 0, sizeof(subject.script));
  for (size_t at = 0; script_next(&script, &at, &step);) subject_do(&step);
  subject_close();
  free(script.memory);
}

static uint64_t next_seed(uint64_t seed) { return (seed + 1) * 6364136223846793005u + 1442695040888963407u; }

static void tell_progress(uint64_t done) {
  static uint64_t told, then;
  uint64_t now = system_real_ms();
  if (!run.progress || now - told < PROGRESS_MS) return;
  if (told)
    printf("# %.1f million datagrams, %.0f a second, %llu connections, seed %llu\n", (double)done / 1e6,
           (double)(done - then) * 1000 / (double)(now - told), (unsigned long long)subject.connects,
           (unsigned long long)run.seed);
  fflush(stdout);
  told = now;
  then = done;
}

static void start(uint64_t seed) {
  subject.seed = seed;
  subject.datagrams = 0;
  generate_start(seed);
}

static void fuzz(void) {
  uint64_t done = 0;
  for (;; run.seed = next_seed(run.seed)) {
    uint64_t left = run.datagrams - done, end = left < HOST_DATAGRAMS ? left : HOST_DATAGRAMS;
    start(run.seed);
    while (subject.datagrams < end && !subject.over_budget) generate_step();
    done += subject.datagrams;
    subject_close();
    if (done >= run.datagrams) break;
    tell_progress(done);
  }
  subject.datagrams = done;
}

static void tell(void) {
  printf("# %llu datagrams, %llu connections, %llu messages\n", (unsigned long long)subject.datagrams,
         (unsigned long long)subject.connects, (unsigned long long)subject.receives);
  printf("# peak %.0f KiB above an idle host, over budget %llu times\n", subject.peak / 1024,
         (unsigned long long)subject.over_memory);
  printf(
      "# CPU time, with interrupts: costliest datagram %.3f ms, %llu above 1 ms; longest service %.3f ms\n",
      (double)meter.noted[0].ns / 1e6, (unsigned long long)meter.slow, (double)subject.longest_ns / 1e6);
  printf("# unproved addresses exceeded %llu times, connections guessed %llu\n",
         (unsigned long long)world.unproved_excess, (unsigned long long)world.guessed);
}

/* ---- What datagrams cost --------------------------------------------------------------------- */

/* The host of a datagram again, until it has had that. */
static void run_again(const struct cost *cost) {
  if (run.replayed) {
    replay();
    return;
  }
  start(cost->seed);
  while (meter.now.number <= cost->number) generate_step();
}

static void measure_again(struct cost *cost) {
  for (unsigned i = 0; i < REPEATS; i++) {
    meter.watched = cost->number;
    meter.watched_ns = UINT64_MAX;
    run_again(cost);
    if (meter.watched_ns < cost->ns) cost->ns = meter.watched_ns;
    subject_close();
  }
  meter.watched = 0;
}

static int is_costlier(const void *a, const void *b) {
  uint64_t x = ((const struct cost *)a)->ns, y = ((const struct cost *)b)->ns;
  return x > y ? -1 : x < y;
}

static void tell_costs(void) {
  static struct cost costs[METER_NOTED];
  size_t count = meter.notes;
  if (run.replayed && count > 2 * run.costliest) count = 2 * run.costliest; /* a script may be long */
  memcpy(costs, meter.noted, sizeof(costs));
  for (size_t i = 0; i < count; i++) measure_again(&costs[i]);
  qsort(costs, count, sizeof(*costs), is_costlier);
  for (size_t i = 0; i < count && i < run.costliest; i++) meter_print(&costs[i]);
  if (count == 0 || !run.save) return;
  run_again(&costs[0]);
  if (script_save(&subject.script, run.save, "the costliest datagram is the last one"))
    printf("# Saved as %s\n", run.save);
  subject_close();
}

TEST(random_steps) {
  reported(fuzz);
  tell();
  if (run.costliest > 0) tell_costs();
}

static void replay_file(const char *path) {
  printf("# %s\n", path);
  CHECK(script_load(&subject.script, path));
  reported(replay);
}

TEST(corpus) {
  DIR *folder = opendir(FUZZ_CORPUS);
  char path[1024];
  const struct dirent *file;
  CHECK(folder != NULL);
  while ((file = readdir(folder)) != NULL) {
    if (file->d_name[0] == '.') continue;
    snprintf(path, sizeof(path), "%s/%s", FUZZ_CORPUS, file->d_name);
    replay_file(path);
  }
  closedir(folder);
}

TEST(one_script) {
  replay_file(run.replayed);
  tell();
  if (run.costliest > 0) tell_costs();
}

/* ---- Shrinking ------------------------------------------------------------------------------- */

/* In a process of its own, for it may crash. */
static bool fails(const struct script *script) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(60);
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(0);
    subject.script = *script;
    test_exit = NULL;
    replay();
    _exit(0);
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status != 0;
}

/* The script without `count` of its steps; the first one, which opens the host, stays. */
static void copy_without(struct script *to, const struct script *from, size_t first, size_t count) {
  struct step step;
  size_t index = 0;
  to->used = 0;
  for (size_t at = 0; script_next(from, &at, &step); index++)
    if (index < first || index >= first + count) script_add(to, &step);
}

static size_t count_steps(const struct script *script) {
  struct step step;
  size_t count = 0;
  for (size_t at = 0; script_next(script, &at, &step);) count++;
  return count;
}

TEST(shrink) {
  struct script script = {0}, shorter = {0};
  CHECK(script_load(&script, run.shrunk));
  CHECK(fails(&script));
  for (size_t chunk = count_steps(&script) / 2; chunk > 0; chunk /= 2)
    for (size_t first = 1; first < count_steps(&script);) {
      struct script whole = script;
      copy_without(&shorter, &script, first, chunk);
      if (!fails(&shorter)) {
        first += chunk;
        continue;
      }
      script = shorter;
      shorter = whole;
    }
  printf("# %zu steps are left\n", count_steps(&script));
  CHECK(script_save(&script, run.shrunk, "found by the fuzzer"));
  free(script.memory);
  free(shorter.memory);
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static unsigned budgets_of(const char *name) {
  static const char *const names[] = {"memory", "handshakes", "time", "all"};
  static const unsigned budgets[] = {BUDGET_MEMORY, BUDGET_HANDSHAKES, BUDGET_TIME, BUDGET_ALL};
  for (size_t i = 0; i < 4; i++)
    if (strcmp(name, names[i]) == 0) return budgets[i];
  return 0;
}

static void take_argument(const char *name, const char *value) {
  if (strcmp(name, "--progress") == 0) run.progress = true;
  if (strcmp(name, "--strict") == 0) {
    run.strict = value;
    subject.enforced |= budgets_of(value);
  }
  if (strcmp(name, "--seed") == 0) run.seed = strtoull(value, NULL, 10);
  if (strcmp(name, "--datagrams") == 0) run.datagrams = (uint64_t)strtod(value, NULL); /* 1e7 */
  if (strcmp(name, "--save") == 0) run.save = value;
  if (strcmp(name, "--replay") == 0) run.replayed = value;
  if (strcmp(name, "--shrink") == 0) run.shrunk = value;
  if (strcmp(name, "--costliest") == 0) run.costliest = strtoull(value, NULL, 10);
}

int main(int count, char **arguments) {
  static const struct test_case cases[] = {TEST_CASE(corpus), TEST_CASE(random_steps), TEST_CASE(one_script),
                                           TEST_CASE(shrink)};
  for (int i = 1; i < count; i++) take_argument(arguments[i], i + 1 < count ? arguments[i + 1] : "");
  catch_crashes();
  if (run.replayed) return test_run(&cases[2], 1);
  if (run.shrunk) return test_run(&cases[3], 1);
  return count == 1 ? test_run(cases, 2) : test_run(&cases[1], 1);
}

#else

#include "../harness.h"

int main(void) { return test_skip("the simulated system is Linux's"); }

#endif
