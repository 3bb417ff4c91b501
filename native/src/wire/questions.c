/* See questions.h. Call with the host's lock held. */
#include "wire/questions.h"

#include <enet/time.h>

#include "wire/answers.h"

#define UNPROVED_PER_SECOND 200
#define ADDRESS_QUESTIONS (ENETJS_QUESTIONS / 8) /* open at once about one proved address */

bool enetjs_questions_needed(const struct enetjs_questions *questions, const struct enetjs_attempt *attempt) {
  return questions->wanted && !attempt->accepted;
}

bool enetjs_questions_address_may_ask(struct enetjs_attempts *attempts,
                                      const struct enetjs_attempt *attempt) {
  return enetjs_attempts_share(attempts, attempt)->asking < ADDRESS_QUESTIONS;
}

bool enetjs_questions_ask_proved(struct enetjs_questions *questions, struct enetjs_attempts *attempts,
                                 struct enetjs_attempt *attempt, enet_uint32 now) {
  if (enetjs_attempts_count(attempts, ENETJS_ATTEMPT_ASKING) >= ENETJS_QUESTIONS) return false;
  attempt->question = ++questions->count;
  enetjs_attempts_move(attempts, attempt, ENETJS_ATTEMPT_ASKING, now);
  return true;
}

bool enetjs_questions_ask_unproved(struct enetjs_questions *questions, struct enetjs_attempts *attempts,
                                   struct enetjs_attempt *attempt, enet_uint32 now) {
  if (!questions->wanted) return false;
  if (ENET_TIME_DIFFERENCE(now, questions->second_began) >= 1000) {
    questions->second_began = now;
    questions->unproved = 0;
  }
  if (questions->unproved >= UNPROVED_PER_SECOND) return false;
  if (!enetjs_questions_ask_proved(questions, attempts, attempt, now)) return false;
  questions->unproved++;
  return true;
}

const struct enetjs_guard_question *enetjs_questions_describe(struct enetjs_questions *questions,
                                                              const ENetHost *enet,
                                                              const struct enetjs_attempt *attempt,
                                                              enet_uint32 now) {
  struct enetjs_guard_question *described = &questions->described;
  described->number = attempt->question;
  described->age_ms = ENET_TIME_LESS(now, attempt->queued) ? 0 : now - attempt->queued;
  described->address = attempt->address;
  described->data = ENET_NET_TO_HOST_32(attempt->connect.data);
  described->channels = (uint8_t)enetjs_answer_channels(enet, attempt);
  return described;
}
