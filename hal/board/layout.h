/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What assembly and C++ must agree on, whatever the architecture. Assembly takes
 * every offset from here or from its own layout.h; core.h and machine_facts.h
 * assert each against its struct.
 */
#ifndef RUMPK_HAL_BOARD_LAYOUT_H
#define RUMPK_HAL_BOARD_LAYOUT_H

#define REGISTER_SIZE 8
#define PAGE_SIZE 4096 /* HAL_PAGE_SIZE */

/* struct Core, the part that assembly touches */
#define CORE_SCRATCH 0 /* two words */
#define CORE_INTERRUPT_BASE 16
#define CORE_INTERRUPT_TOP 24
#define CORE_EMERGENCY_TOP 32
#define CORE_REPORTING 40
#define CORE_START_STACK 48
#define CORE_CALL_STACK 56
#define CORE_ID 64
#define CORE_VIEW_FLUSHES 104
#define CORE_VIEW 112
#define CORE_SIZE 128
#define CORES 8 /* HAL_MAX_CORES */

/* struct MachineFacts */
#define FACTS_NO_MEMORY 0
#define FACTS_EARLY_DEVICE 8

/* TrapFrame.where: hal_fault_place of abi/hal.h */
#define FAULT_CONTEXT 0
#define FAULT_HANDLER 1
#define FAULT_REPORT 2
#define FAULT_USER 3

/* abi/call.h and abi/errno.h, as far as the gate speaks them; asserted in gate.cpp */
#define CALLS 13
#define CALL_NUMBER_HALT 11
#define SCOPE_FIBER 0
#define GATE_CLOCK_MONOTONIC 0
#define GATE_CLOCK_WALL 1
#define ERROR_NODEV 19
#define ERROR_INVAL 22
#define ERROR_NOSYS 38

#define EXIT_PANIC 126 /* RUMPK_EXIT_PANIC */

#endif
