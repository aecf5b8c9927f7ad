# For make: instrument our modules, and of the kernel what works on their data or orders it where they
# cannot inline it. KCSAN watches one access of thousands; of a whole kernel's, next to none is ours.
KCSAN_SANITIZE=n
KCSAN_SANITIZE_llist.o=y
KCSAN_SANITIZE_mutex.o=y
KCSAN_SANITIZE_rbtree.o=y
KCSAN_SANITIZE_refcount.o=y
KCSAN_SANITIZE_rhashtable.o=y
KCSAN_SANITIZE_spinlock.o=y
