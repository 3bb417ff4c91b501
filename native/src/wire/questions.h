/**
 * @file questions.h
 * @brief Asking the program whether it accepts an attempt: when it is asked, and how often.
 *
 * The program is asked when a CONNECT comes, but about unproved addresses at most 200 times a second. Beyond
 * that rate an address is answered first, and the program is asked once the address has acknowledged the
 * answer. The client then believes that it is connected, so a refusal reaches it as a disconnect.
 *
 * At most ENETJS_QUESTIONS attempts wait for a decision, each for ENETJS_DECISION_MS. The program has a timer
 * of that length of its own, because no attempt wakes a thread; the limit here is for a program that is
 * stuck. Each proved address has a limited number of open questions.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_QUESTIONS_H
#define ENETJS_QUESTIONS_H

#include "wire/attempts.h"

/** What the program is asked. */
struct enetjs_guard_question {
  uint32_t number; /**< which the answer repeats */
  uint32_t age_ms; /**< since it came */
  struct enetjs_endpoint address;
  uint32_t data; /**< of the CONNECT */
  uint8_t channels;
};

struct enetjs_questions {
  bool wanted;    /**< the program decides about attempts */
  uint32_t count; /**< asked so far; it numbers them */
  enet_uint32 second_began;
  unsigned unproved; /**< asked in that second about unproved addresses */
  struct enetjs_guard_question described;
};

/** Whether the program has still to be asked about an attempt. */
bool enetjs_questions_needed(const struct enetjs_questions *questions, const struct enetjs_attempt *attempt);

/**
 * Moves a new attempt to ASKING.
 * @returns false when the program does not decide, or has had its share of such questions; nothing is changed
 * then
 */
bool enetjs_questions_ask_unproved(struct enetjs_questions *questions, struct enetjs_attempts *attempts,
                                   struct enetjs_attempt *attempt, enet_uint32 now);

/** Moves a proved attempt to ASKING. @returns false when too many wait already; nothing is changed then */
bool enetjs_questions_ask_proved(struct enetjs_questions *questions, struct enetjs_attempts *attempts,
                                 struct enetjs_attempt *attempt, enet_uint32 now);

/** Whether the address of a proved attempt may have another open question. */
bool enetjs_questions_address_may_ask(struct enetjs_attempts *attempts, const struct enetjs_attempt *attempt);

/** @returns what the program is told about an ASKING attempt; valid until the next call */
const struct enetjs_guard_question *enetjs_questions_describe(struct enetjs_questions *questions,
                                                              const ENetHost *enet,
                                                              const struct enetjs_attempt *attempt,
                                                              enet_uint32 now);

#endif
