// SPDX-License-Identifier: MIT
/* Files, whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define NEW_SUFFIX ".new"
#define FOLDER_MODE 0755
#define READ_STEP (64 << 10)

static void forget_data(JSRuntime *runtime, void *opaque, void *data)
{
	(void)runtime, (void)opaque;
	free(data);
}

/* Until its end: what lies in /proc has no size. 0, or errno. */
static int read_all(int fd, uint8_t **data, size_t *length)
{
	size_t size = 0;

	for (;;) {
		ssize_t got;

		if (*length == size) {
			uint8_t *wider;

			size = size ? size * 2 : READ_STEP;
			wider = size > FILE_BYTES_MAX ? NULL : realloc(*data, size);
			if (!wider)
				return size > FILE_BYTES_MAX ? EFBIG : ENOMEM;
			*data = wider;
		}
		got = read(fd, *data + *length, size - *length);
		if (got < 0 && errno != EINTR)
			return errno;
		if (!got)
			return 0;
		*length += got > 0 ? got : 0;
	}
}

/* host.read(path): its bytes. */
static JSValue js_read(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *path = arg_text(argv[0]);
	uint8_t *data = NULL, *fitting;
	JSValue buffer;
	size_t length = 0;
	int fd, error;

	(void)self, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	error = fd < 0 ? errno : read_all(fd, &data, &length);
	JS_FreeCString(context, path);
	if (fd >= 0)
		close(fd);
	if (error) {
		free(data);
		return throw_errno(error);
	}
	fitting = realloc(data, length ? length : 1);
	data = fitting ? fitting : data;
	buffer = JS_NewArrayBuffer(context, data, length, forget_data, NULL, 0);
	if (JS_IsException(buffer))
		free(data);
	return value_view(buffer);
}

static int write_all(int fd, const struct bytes *bytes)
{
	for (size_t at = 0; at < bytes->length;) {
		ssize_t wrote = write(fd, bytes->data + at, bytes->length - at);

		if (wrote < 0 && errno != EINTR)
			return errno;
		at += wrote > 0 ? wrote : 0;
	}
	return 0;
}

/* Whole or not at all, also when the power goes. */
static int replace_file(const char *path, const struct bytes *bytes, mode_t mode)
{
	char fresh[PATH_BYTES_MAX];
	int fd, error;

	if (snprintf(fresh, sizeof(fresh), "%s" NEW_SUFFIX, path) >= (int)sizeof(fresh))
		return ENAMETOOLONG;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return errno;
	error = write_all(fd, bytes);
	if (!error && fsync(fd))
		error = errno;
	close(fd);
	if (!error && rename(fresh, path))
		error = errno;
	if (error)
		unlink(fresh);
	return error;
}

/* host.replace(path, bytes, mode) */
static JSValue js_replace(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes bytes;
	const char *path;
	int64_t mode;
	int error;

	(void)self, (void)argc;
	if (!arg_int(argv[2], 0, 0777, &mode))
		return JS_EXCEPTION;
	path = arg_text(argv[0]);
	if (!path || !arg_bytes(argv[1], &bytes)) {
		JS_FreeCString(context, path);
		return JS_EXCEPTION;
	}
	error = replace_file(path, &bytes, mode);
	JS_FreeCString(context, path);
	return error ? throw_errno(error) : JS_UNDEFINED;
}

/* host.stat(path): its mode (permissions alone), uid, our uid, and whether the path is a link. */
static JSValue js_stat(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *path = arg_text(argv[0]);
	struct stat file, link;
	JSValue result;
	int error;

	(void)self, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	error = stat(path, &file) || lstat(path, &link) ? errno : 0;
	JS_FreeCString(context, path);
	if (error)
		return throw_errno(error);
	result = JS_NewObject(context);
	JS_DefinePropertyValueStr(context, result, "mode", JS_NewInt32(context, file.st_mode & 0777), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(context, result, "uid", JS_NewUint32(context, file.st_uid), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(context, result, "ourUid", JS_NewUint32(context, getuid()), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(context, result, "isLink", JS_NewBool(context, S_ISLNK(link.st_mode)), JS_PROP_C_W_E);
	return result;
}

static JSValue with_path(JSValueConst value, int (*act)(const char *path))
{
	const char *path = arg_text(value);
	int error;

	if (!path)
		return JS_EXCEPTION;
	error = act(path);
	JS_FreeCString(ctx, path);
	return error ? throw_errno(error) : JS_UNDEFINED;
}

/* With those above it. */
static int make_folders(const char *path)
{
	char whole[PATH_BYTES_MAX];

	if (snprintf(whole, sizeof(whole), "%s", path) >= (int)sizeof(whole))
		return ENAMETOOLONG;
	for (char *slash = strchr(whole + (*whole == '/'), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(whole, FOLDER_MODE) && errno != EEXIST)
			return errno;
		*slash = '/';
	}
	return mkdir(whole, FOLDER_MODE) && errno != EEXIST ? errno : 0;
}

static int remove_file(const char *path)
{
	return unlink(path) ? errno : 0;
}

/* host.makeFolders(path) */
static JSValue js_make_folders(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return with_path(argv[0], make_folders);
}

/* host.remove(path) */
static JSValue js_remove(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return with_path(argv[0], remove_file);
}

void files_define(JSValueConst host)
{
	host_define(host, "read", js_read, 1);
	host_define(host, "replace", js_replace, 3);
	host_define(host, "stat", js_stat, 1);
	host_define(host, "makeFolders", js_make_folders, 1);
	host_define(host, "remove", js_remove, 1);
}
