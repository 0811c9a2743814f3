//go:build !purego

#include "textflag.h"

// func hasBMI() bool
TEXT ·hasBMI(SB), NOSPLIT, $0-1
	XORL  AX, AX
	CPUID               // AX: the last leaf that there is
	MOVB  $0, ret+0(FP)
	CMPL  AX, $7
	JLT   done
	MOVL  $7, AX
	XORL  CX, CX
	CPUID               // BX: bit 3 is BMI1, bit 8 is BMI2
	ANDL  $0x108, BX
	CMPL  BX, $0x108
	SETEQ ret+0(FP)

done:
	RET
