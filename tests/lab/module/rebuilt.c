/* Stands for a module that was built anew: it says so when it is loaded. */
#include <linux/module.h>

static int __init rebuilt_init(void)
{
	pr_err("LAB module rebuilt\n");
	return 0;
}

static void __exit rebuilt_exit(void)
{
}

module_init(rebuilt_init);
module_exit(rebuilt_exit);
MODULE_DESCRIPTION("Tells one build from another");
MODULE_LICENSE("Dual MIT/GPL");
