/* Asks for firmware while it is loaded, as many drivers do, and says what it got. */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/firmware.h>
#include <linux/module.h>

#define NAME "fastboop/lab.bin"

static int __init probe_init(void)
{
	const struct firmware *firmware;
	struct device *device = root_device_register("fastboop-lab");
	int error;

	if (IS_ERR(device))
		return PTR_ERR(device);
	error = request_firmware(&firmware, NAME, device);
	if (error) {
		pr_err("LAB firmware error %d\n", error);
	} else {
		pr_err("LAB firmware %.*s\n", (int)firmware->size, firmware->data);
		release_firmware(firmware);
	}
	root_device_unregister(device);
	return error;
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_DESCRIPTION("Shows that firmware reaches modules");
MODULE_FIRMWARE(NAME);
MODULE_LICENSE("Dual MIT/GPL");
