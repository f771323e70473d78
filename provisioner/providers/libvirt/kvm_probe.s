# A boot sector that goes the way of a kernel (real, protected, long mode with paging), clears 32 MiB,
# computes for a moment, says so on the serial port, and powers off by isa-debug-exit.
#   gcc -c -o kvm_probe.o kvm_probe.s && ld -Ttext=0x7c00 --oformat binary -o kvm_probe.bin kvm_probe.o
.code16
.globl _start
_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  lgdt gdt_register
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmp $8, $protected

.code32
protected:
  movw $16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  # Three page tables from 64 KiB on: the first GiB, mapped to itself in pages of 2 MiB.
  movl $0x10000, %edi
  movl %edi, %cr3
  xorl %eax, %eax
  movl $0xc00, %ecx
  rep stosl
  movl $0x11003, 0x10000
  movl $0x12003, 0x11000
  movl $0x83, %eax
  movl $0x12000, %edi
  movl $512, %ecx
map:
  movl %eax, (%edi)
  addl $0x200000, %eax
  addl $8, %edi
  loop map
  movl %cr4, %eax
  orl $0x20, %eax
  movl %eax, %cr4
  movl $0xc0000080, %ecx
  rdmsr
  orl $0x100, %eax
  wrmsr
  movl %cr0, %eax
  orl $0x80000000, %eax
  movl %eax, %cr0
  ljmp $24, $long

.code64
long:
  movl $0x100000, %edi
  movl $0x800000, %ecx
  xorl %eax, %eax
  rep stosl
  movl $20000000, %ecx
work:
  addl $3, %eax
  rolq $5, %rbx
  decl %ecx
  jnz work
  movl $text, %esi
  movw $0x3f8, %dx
say:
  lodsb
  testb %al, %al
  jz off
  outb %al, %dx
  jmp say
off:
  movw $0xf4, %dx
  outb %al, %dx
stop:
  hlt
  jmp stop

text:
  .asciz "kubelab guest ran\n"
.balign 8, 0
gdt:
  .quad 0
  .quad 0x00cf9a000000ffff
  .quad 0x00cf92000000ffff
  .quad 0x00af9a000000ffff
gdt_register:
  .word 31
  .long gdt
.org 510
.word 0xaa55
