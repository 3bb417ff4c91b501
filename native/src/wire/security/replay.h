/**
 * @file replay.h
 * @brief Which of the last datagrams of a session have been authentic already.
 *
 * A window of ENETJS_REPLAY_WINDOW numbers ends with the highest one that was noted. As in RFC 6479, the bits
 * lie in a ring of words. A word is cleared when the window reaches it, so nothing is shifted. All zero is an
 * empty window.
 */
#ifndef ENETJS_REPLAY_H
#define ENETJS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define ENETJS_REPLAY_WINDOW 4096
#define ENETJS_REPLAY_WORDS \
  (ENETJS_REPLAY_WINDOW / 64 + 1) /**< one more, which the highest number has begun */

struct enetjs_replay {
  uint64_t end; /**< the highest number noted, and 1 */
  uint64_t words[ENETJS_REPLAY_WORDS];
};

enum enetjs_replay_verdict { ENETJS_REPLAY_NEW, ENETJS_REPLAY_SEEN, ENETJS_REPLAY_OLD };

static inline enum enetjs_replay_verdict enetjs_replay_look(const struct enetjs_replay *replay,
                                                            uint64_t number) {
  if (number >= replay->end) return ENETJS_REPLAY_NEW;
  if (replay->end - number > ENETJS_REPLAY_WINDOW) return ENETJS_REPLAY_OLD;
  return replay->words[number / 64 % ENETJS_REPLAY_WORDS] >> number % 64 & 1 ? ENETJS_REPLAY_SEEN
                                                                             : ENETJS_REPLAY_NEW;
}

/**
 * Notes a number that enetjs_replay_look has found to be new. @returns whether it is higher than all before
 */
static inline bool enetjs_replay_note(struct enetjs_replay *replay, uint64_t number) {
  bool higher = number >= replay->end;
  if (higher) {
    uint64_t word = number / 64, last = replay->end > 0 ? (replay->end - 1) / 64 : 0;
    uint64_t steps = word - last > ENETJS_REPLAY_WORDS ? ENETJS_REPLAY_WORDS : word - last;
    for (uint64_t i = 0; i < steps; i++) replay->words[(word - i) % ENETJS_REPLAY_WORDS] = 0;
    replay->end = number + 1;
  }
  replay->words[number / 64 % ENETJS_REPLAY_WORDS] |= (uint64_t)1 << number % 64;
  return higher;
}

#endif
