# SPDX-License-Identifier: Apache-2.0
"""The rings broken on purpose: each required ordering weakened, each rule left out. The named tests have to fail.
`./rumpk test --long --only 'mutant/*'` is the table, made by trying."""

import re
import shutil
import subprocess
from typing import NamedTuple

from . import common
from .scenarios import Failure

SECONDS = 1800  # on a busy machine the compiler takes minutes; each test is the same each time and fails within seconds


class Mutant(NamedTuple):
    title: str
    file: str  # of ion/
    old: str  # what is there, once
    new: str
    program: str  # of tests/unit/ion
    tests: str  # a pattern of GoogleTest; at least one has to fail


def _of(name, file, old, new, program, tests):
    return Mutant(f"mutant/{name}, caught by {tests}", file, old, new, program, tests)


def _weaker(name, file, old, tests, program="model_test.cpp"):
    new = re.sub("memory_order_(release|acquire)", "memory_order_relaxed", old)
    return _of(f"{name} relaxed", file, old, new, program, tests)


BROADCAST = "broadcast_model_test.cpp"
DEATHS = "broadcast_death_test.cpp"
SLABS = "slab_test.cpp"
CHANGE = "from, to, std::memory_order_"
MUTANTS = (
    _weaker("O1 sequence written", "producer.h", "Words::store(slot.sequence, sequence, std::memory_order_release)", "Model.Transfer"),
    _weaker("O2 sequence read", "endpoint.h", "Words::load(slot.sequence, std::memory_order_acquire) == sequence", "Model.Transfer"),
    _weaker("O3 release", "consumer.h", "Words::store(own.position, head, std::memory_order_release)", "Model.Transfer"),
    _weaker("O4 position read when full", "producer.h",
            "const uint64_t head = Words::load(this->peer().position, std::memory_order_acquire);", "Model.Transfer"),
    _weaker("O5 closed written", "endpoint.h",
            "Words::store(own.closed, static_cast<uint32_t>(reason), std::memory_order_release)", "Model.Transfer"),
    _weaker("O6 closed read", "endpoint.h", "Words::load(peer().closed, std::memory_order_acquire)", "Model.Transfer"),
    _weaker("O7 position told", "producer.h", "Words::store(this->own().position, tail_, std::memory_order_release)",
            "Model.ConsumerReplaced"),
    _weaker("O7 position taken over", "endpoint.h", "Words::store(own().position, position, std::memory_order_release)",
            "Model.DeadInCommit"),
    _weaker("O8 position read by a successor", "consumer.h",
            "const uint64_t tail = Words::load(consumer.peer().position, std::memory_order_acquire);", "Model.ConsumerReplaced"),
    _weaker("O9 position read by a successor", "producer.h",
            "const uint64_t head = Words::load(producer.peer().position, std::memory_order_acquire);", "Model.ProducerReplaced"),
    _weaker("O10 epoch written", "endpoint.h", "Words::store(own.epoch, epoch, std::memory_order_release)", "Model.EpochSeen"),
    _weaker("O11 epoch read", "endpoint.h", "Words::load(peer().epoch, std::memory_order_acquire)", "Model.EpochSeen"),
    _of("the position is never told", "producer.h", "    tell(); // limit_", "    // limit_", "death_test.cpp", "Death.ProducerAtEveryStep"),
    _of("a closed consumer goes on in its lap", "consumer.h", "void settle() { stop_ = 0; }", "void settle() {}", "ring_test.cpp", "Ring.ProduceAndConsume"),
    _of("parking without its heavy barrier", "endpoint.h", "        want_bell(1);\n        fence_.heavy();", "        want_bell(1);",
        "model_test.cpp", "Model.Parking:Model.ParkingAcrossCores"),
    _of("parking armed behind its barrier", "endpoint.h", "        want_bell(1);\n        fence_.heavy();",
        "        fence_.heavy();\n        want_bell(1);", "model_test.cpp", "Model.Parking:Model.ParkingAcrossCores"),
    _of("bell looked for without the light barrier", "endpoint.h", "fence_.light(); // our sequence", "// our sequence",
        "model_test.cpp", "Model.Parking"),
    _of("no second look behind closed", "consumer.h", "if (here() || (gone == Close::open && rest())) {",
        "if (gone == Close::open && (here() || rest())) {", "model_test.cpp", "Model.Transfer"),
    _weaker("B1 broadcast sequence written", "broadcast.h",
            "Words::store(slot.sequence, static_cast<uint32_t>(tail_), std::memory_order_release)", "BroadcastModel.*", BROADCAST),
    _weaker("B2 broadcast sequence read", "broadcast_party.h",
            "Words::load(slot(position).sequence, std::memory_order_acquire)", "BroadcastModel.*", BROADCAST),
    _weaker("B3 broadcast release", "broadcast.h",
            "Words::store(this->own_->position, head_, std::memory_order_release)", "BroadcastModel.*", BROADCAST),
    _weaker("B4 positions read when full", "broadcast.h",
            "const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);\n        if (head - heads_",
            "BroadcastModel.*", BROADCAST),
    _weaker("B5 positions of those before", "broadcast.h",
            "const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);\n                least",
            "BroadcastModel.*", BROADCAST),
    _of("B6 expelled without the heavy barrier", "broadcast.h", "this->fence().heavy(); // before", "// before", BROADCAST,
        "BroadcastModel.ExpelledWhileItReads"),
    _of("B6 released without the light barrier", "broadcast.h", "this->fence().light();\n        if ((Words", "if ((Words", BROADCAST,
        "BroadcastModel.ExpelledWhileItReads"),
    _weaker("B7 broadcast closed written", "broadcast_party.h",
            "Words::store(own_->closed, static_cast<uint32_t>(reason), std::memory_order_release)", "BroadcastModel.Spinning", BROADCAST),
    _weaker("B7 broadcast closed read", "broadcast.h", "Words::load(producer.closed, std::memory_order_acquire)",
            "BroadcastModel.Spinning", BROADCAST),
    _weaker("B1 broadcast position written", "broadcast.h",
            "Words::store(this->own_->position, tail_, std::memory_order_release)", "BroadcastModel.ConsumerReplaced", BROADCAST),
    _weaker("B1 broadcast position taken over", "broadcast.h",
            "Words::store(producer.own_->position, producer.tail_, std::memory_order_release)", "BroadcastModel.DeadInPublish", BROADCAST),
    _weaker("B1 broadcast position read by a successor", "broadcast.h",
            "const uint64_t tail = Words::load(consumer.page(0).position, std::memory_order_acquire);",
            "BroadcastModel.ConsumerReplaced", BROADCAST),
    _weaker("B1 broadcast position read by one behind", "broadcast.h",
            "const uint64_t told = Words::load(this->page(0).position, std::memory_order_acquire);",
            "BroadcastModel.JoinsAgain", BROADCAST),
    _weaker("B3 position of one who joins", "broadcast.h",
            "Words::store(consumer.own_->position, consumer.head_, std::memory_order_release)", "BroadcastModel.JoinsAgain", BROADCAST),
    _weaker("B4 position read when one is admitted", "broadcast.h",
            "const uint64_t head = Words::load(this->page(1 + k).position, std::memory_order_acquire);\n        if (tail_",
            "BroadcastModel.JoinsAgain", BROADCAST),
    _weaker("B7 closed read by one behind", "broadcast.h", "Words::load(this->page(1 + k).closed, std::memory_order_acquire) == RUMPK_RING_OPEN",
            "BroadcastModel.ClosedWithOneBehind", BROADCAST),
    _weaker("B7 closed read when full", "broadcast.h",
            "Words::load(this->page(1 + k).closed, std::memory_order_acquire) != RUMPK_RING_OPEN",
            "BroadcastModel.ClosedWithOneBehind", BROADCAST),
    _weaker("B8 active written when one is expelled", "broadcast.h",
            "Words::store(this->own_->active, active_, std::memory_order_release);\n        this->fence()",
            "BroadcastModel.ExpelledWithOneBehind", BROADCAST),
    _weaker("B8 active read by one behind", "broadcast.h",
            "const uint32_t active = Words::load(this->page(0).active, std::memory_order_acquire);",
            "BroadcastModel.ExpelledWithOneBehind", BROADCAST),
    _of("broadcast parking without its heavy barrier", "broadcast_party.h", "std::memory_order_relaxed);\n        fence_.heavy();",
        "std::memory_order_relaxed);", BROADCAST, "BroadcastModel.Parking"),
    _of("broadcast bells looked for without the light barrier", "broadcast_party.h", "fence_.light(); // what", "// what", BROADCAST,
        "BroadcastModel.Parking"),
    _of("the slowest does not hold the producer", "broadcast.h", "limit_ = least + this->shape()", "limit_ = tail_ + this->shape()",
        BROADCAST, "BroadcastModel.*"),
    _of("the producer's successor trusts the position", "broadcast.h", "producer.committed(producer.tail_)) {", "false) {", DEATHS,
        "BroadcastDeath.EachAtEveryStep"),
    _of("the position is told before the sequence", "broadcast.h",
        "        Words::store(slot.sequence,", "        Words::store(this->own_->position, tail_, std::memory_order_release);\n"
        "        Words::store(slot.sequence,", DEATHS, "BroadcastDeath.EachAtEveryStep"),
    _of("a successor goes on behind what was only peeked", "broadcast.h", "    consumer.resumed_to_ = seen;",
        "    consumer.resumed_to_ = consumer.head_ = seen;", DEATHS, "BroadcastDeath.EachAtEveryStep"),
    _of("the end is not looked at twice", "broadcast.h", "if (over && this->committed(head_)) {", "if (false) {", DEATHS,
        "BroadcastDeath.NobodyDies"),
    _of("a closed consumer keeps those behind it", "broadcast.h",
        "Words::load(this->page(1 + k).closed, std::memory_order_acquire) == RUMPK_RING_OPEN", "true", DEATHS, "BroadcastDeath.OneLeaves"),
    _of("what is clear reaches a lap ahead of what is published", "broadcast.h", "std::min(told - head_, slots)", "slots",
        "broadcast_test.cpp", "Broadcast.WhoeverJoinsAgainIsNotOvertaken"),
    _of("a buffer changes hands without acquire", "memory.h", f"{CHANGE}acq_rel", f"{CHANGE}release", "slab_model_test.cpp",
        "SlabModel.ThroughARing"),
    _of("a buffer changes hands without release", "memory.h", f"{CHANGE}acq_rel", f"{CHANGE}acquire", "slab_model_test.cpp",
        "SlabModel.ThroughARing"),
    _of("sweeping ignores the incarnation", "slab.h", "(but == 0 || incarnation_of(now) != but)", "true", SLABS,
        "SlabTest.DeadOwnersBuffersComeBackOnce"),
    _of("adopting moves the generation", "slab.h", "word(token.generation, me_)", "word(token.generation + 1, me_)", SLABS,
        "SlabTest.DeadOwnersBuffersComeBackOnce"),
    _of("a buffer is adopted twice", "slab.h", "now == mine ||", "", SLABS, "SlabTest.OwnershipGoesThroughARing"),
    _of("sending does not move the generation", "slab.h", "generation_of(word_) + 1;", "generation_of(word_);", SLABS,
        "SlabTest.TokensOfAnEarlierTurn"),
    _of("allocating does not move the generation", "slab.h", "word(generation_of(now) + 1, me_)", "word(generation_of(now), me_)", SLABS,
        "SlabTest.FormattedAgain"),
    _of("formatting begins the generations anew", "slab.h", "words[i] &= ~uint64_t{0xffffffff}", "words[i] = 0", SLABS,
        "SlabTest.FormattedAgain"),
    _of("nobody stands behind anybody", "broadcast.h", "behind_ != 0 && head_", "false && head_", BROADCAST, "BroadcastModel.*"),
)


def run(mutant):
    """Builds the test against a copy of ion/ with the one change, and runs it."""
    name = re.sub(r"\W+", "-", mutant.title)
    folder = common.BUILD / "mutants" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(common.ROOT / "ion", folder / "ion")
    file = folder / "ion" / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise Failure(f"ion/{mutant.file} has {text.count(mutant.old)} times:\n{mutant.old}")
    file.write_text(text.replace(mutant.old, mutant.new))
    program = folder / "test"
    command = ["clang++-19", "-std=c++23", "-O1", "-w", f"-I{folder}", f"-I{common.ROOT}", "-o", str(program),
               str(common.ROOT / "tests/unit/ion" / mutant.program), "-lgtest", "-lgtest_main", "-lpthread"]
    _done(command, 0)
    text = _done([str(program), f"--gtest_filter={mutant.tests}"], 1)
    if "[  FAILED  ]" not in text:
        raise Failure(f"nothing has failed:\n{text}")
    shutil.rmtree(folder)


def _done(command, code):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)}\ndid not end within {SECONDS} s") from None
    if done.returncode != code:
        raise Failure(f"{' '.join(command)}\nended with {done.returncode}, not {code}\n{done.stdout}")
    return done.stdout
