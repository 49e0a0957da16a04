// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk that forgets: it takes all writes, and reads are zeroes. The kernels of the guests have no
 * other one, and without a disk no process reads or writes bytes that count.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/module.h>

static struct gendisk *disk;

static void submit(struct bio *bio)
{
	if (bio_data_dir(bio) == READ)
		zero_fill_bio(bio);
	bio_endio(bio);
}

static const struct block_device_operations operations = {
	.owner = THIS_MODULE,
	.submit_bio = submit,
};

static int __init testdisk_init(void)
{
	int err;

	disk = blk_alloc_disk(NULL, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->fops = &operations;
	strscpy(disk->disk_name, "testdisk");
	set_capacity(disk, 16 << (20 - SECTOR_SHIFT));
	err = add_disk(disk);
	if (err)
		put_disk(disk);
	return err;
}

static void __exit testdisk_exit(void)
{
	del_gendisk(disk);
	put_disk(disk);
}

module_init(testdisk_init);
module_exit(testdisk_exit);
MODULE_DESCRIPTION("Disk that forgets, for tests of procmon");
MODULE_LICENSE("GPL");
