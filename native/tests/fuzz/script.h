/**
 * @file script.h
 * @brief What is done to the host under test, as a list of steps, and that list as text.
 *
 * A step says who does what, not which bytes that makes: handshakes, peer ids, sessions, checksums and
 * acknowledgements are taken from the run. So a script goes on meaning the same when the host's
 * answers change. One line is one step: its name, four numbers, and bytes in hexadecimal.
 */
#ifndef ENETJS_TESTS_FUZZ_SCRIPT_H
#define ENETJS_TESTS_FUZZ_SCRIPT_H

#include "system.h"

enum step_kind {
  STEP_OPEN,   /**< a host; bytes: the settings, see subject.h */
  STEP_FROM,   /**< endpoint a sends the bytes; b: what is flipped in its header, c: its age, d: COMPOSE_… */
  STEP_ACK,    /**< endpoint a acknowledges; b: how many at most, c: the age of its header */
  STEP_HELLO,  /**< endpoint a sends CONNECT; b: channels, c: connect id, d: incoming bandwidth */
  /** endpoint a answers the host's CONNECT; b: what is flipped in the connect id, c: channels */
  STEP_VERIFY,
  STEP_LEAVE,  /**< endpoint a sends DISCONNECT; b: 1 for an acknowledged one */
  STEP_TIME,   /**< a ms pass, and b microseconds */
  STEP_WALL,   /**< the wall clock moves by a - b seconds */
  STEP_CALL,   /**< call a of the API with b, c, d, see subject.h */
  STEP_TAKE,   /**< from now on the program takes at most a records after each datagram */
  STEP_FAULT,  /**< the next call to receive fails with errno a, the next one to send with errno b */
  STEP_ROW,    /**< endpoint a sends b empty messages in a row, the first with number c; d: ROW_… */
  STEP_COUNT
};

struct step {
  enum step_kind kind;
  uint32_t a, b, c, d;
  size_t length;
  const uint8_t *bytes;
};

/** Steps in a row, in one block of memory. */
struct script {
  uint8_t *memory;
  size_t used, capacity;
};

static const char *const step_names[STEP_COUNT] = {"open", "from", "ack",  "hello", "verify", "leave",
                                                   "time", "wall", "call", "take",  "fault", "row"};

static void script_add(struct script *script, const struct step *step) {
  size_t needed = sizeof(*step) + ((step->length + 7) & ~(size_t)7);
  if (script->used + needed > script->capacity) {
    script->capacity = (script->capacity + needed) * 2;
    script->memory = realloc(script->memory, script->capacity);
    CHECK(script->memory != NULL);
  }
  memcpy(script->memory + script->used, step, sizeof(*step));
  if (step->length > 0) memcpy(script->memory + script->used + sizeof(*step), step->bytes, step->length);
  script->used += needed;
}

/** Reads the step at a position, and moves that on. @returns false at the end */
static bool script_next(const struct script *script, size_t *at, struct step *step) {
  if (*at >= script->used) return false;
  memcpy(step, script->memory + *at, sizeof(*step));
  step->bytes = script->memory + *at + sizeof(*step);
  *at += sizeof(*step) + ((step->length + 7) & ~(size_t)7);
  return true;
}

static void step_write(FILE *file, const struct step *step) {
  fprintf(file, "%s %u %u %u %u ", step_names[step->kind], step->a, step->b, step->c, step->d);
  for (size_t i = 0; i < step->length; i++) fprintf(file, "%02x", step->bytes[i]);
  fputc('\n', file);
}

/** @returns false for what is no step */
static bool step_read(const char *line, struct step *step, uint8_t *room) {
  char name[16];
  int at = 0;
  memset(step, 0, sizeof(*step));
  if (sscanf(line, "%15s %u %u %u %u %n", name, &step->a, &step->b, &step->c, &step->d, &at) < 5)
    return false;
  while (step->kind < STEP_COUNT && strcmp(name, step_names[step->kind]) != 0) step->kind++;
  if (step->kind == STEP_COUNT) return false;
  for (unsigned byte; at > 0 && step->length < SYSTEM_DATAGRAM && sscanf(line + at, "%2x", &byte) == 1;
       at += 2)
    room[step->length++] = (uint8_t)byte;
  step->bytes = room;
  return true;
}

static bool script_load(struct script *script, const char *path) {
  static char line[2 * SYSTEM_DATAGRAM + 100];
  static uint8_t room[SYSTEM_DATAGRAM];
  FILE *file = fopen(path, "r");
  struct step step;
  script->used = 0;
  if (!file) return false;
  while (fgets(line, sizeof(line), file))
    if (step_read(line, &step, room)) script_add(script, &step);
  fclose(file);
  return true;
}

static bool script_save(const struct script *script, const char *path, const char *comment) {
  FILE *file = fopen(path, "w");
  struct step step;
  if (!file) return false;
  fprintf(file, "# %s\n", comment);
  for (size_t at = 0; script_next(script, &at, &step);) step_write(file, &step);
  return fclose(file) == 0;
}

#endif
