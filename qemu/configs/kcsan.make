# Variables for make: instrument our modules and only those parts of the kernel that access their data
# or order it out of line. KCSAN watches one of thousands of accesses. If it watched the whole kernel,
# almost none of these would be ours.
KCSAN_SANITIZE=n
KCSAN_SANITIZE_llist.o=y
KCSAN_SANITIZE_mutex.o=y
KCSAN_SANITIZE_rbtree.o=y
KCSAN_SANITIZE_refcount.o=y
KCSAN_SANITIZE_rhashtable.o=y
KCSAN_SANITIZE_spinlock.o=y
