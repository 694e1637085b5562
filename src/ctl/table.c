/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ctl/table.h"

#define TABLE_GAP         2
#define TABLE_ELASTIC_MIN 8

struct table_text {
	char *text;
	enum screen_colour colour;
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t column_count;
	struct table_text *cells; /* row by row; owned */
	size_t count, cap;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	t->column_count = count;
	return t;
}

void table_free(struct table *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void table_cell(
	struct table *t, enum screen_colour colour, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	for (i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20 || c == 0x7f)
			text.data[i] = '?';
	}
	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->cells = xreallocarray(t->cells, t->cap, sizeof(*t->cells));
	}
	t->cells[t->count++] = (struct table_text){
		text.len > 0 ? buf_take(&text) : xstrdup("-"), colour
	};
	buf_done(&text);
}

size_t table_rows(const struct table *t)
{
	return t->count / t->column_count;
}

/* Characters of a text; each is taken to be one column wide. */
static size_t table_length(const char *text)
{
	size_t len = strlen(text), n = 0, step;

	for (; len > 0; n++) {
		step = utf8_length(text, len);
		if (step == 0)
			step = 1;
		text += step;
		len -= step;
	}
	return n;
}

static void table_measure(const struct table *t, size_t *ret_widths)
{
	size_t column, i;

	for (column = 0; column < t->column_count; column++) {
		bool some = t->columns[column].fit == TABLE_FIXED;
		size_t width = table_length(t->columns[column].title);

		for (i = column; i < t->count; i += t->column_count) {
			size_t len = table_length(t->cells[i].text);

			if (strcmp(t->cells[i].text, "-") != 0)
				some = true;
			if (len > width)
				width = len;
		}
		ret_widths[column] = some ? width : 0;
	}
}

static size_t table_total(const size_t *widths, size_t count)
{
	size_t i, total = 0;

	for (i = 0; i < count; i++)
		total += widths[i] > 0 ? widths[i] + TABLE_GAP : 0;
	return total > 0 ? total - TABLE_GAP : 0;
}

/* Take room from the elastic columns, from the last to the first. */
static void table_shrink(const struct table *t, size_t width, size_t *widths)
{
	size_t column = t->column_count, total, over;

	while (column-- > 0) {
		total = table_total(widths, t->column_count);
		if (total <= width)
			return;
		if (t->columns[column].fit != TABLE_ELASTIC ||
			widths[column] <= TABLE_ELASTIC_MIN)
			continue;
		over = total - width;
		if (over > widths[column] - TABLE_ELASTIC_MIN)
			over = widths[column] - TABLE_ELASTIC_MIN;
		widths[column] -= over;
	}
}

/* At most `room` characters of the text, the last of them a mark if more
 * followed.  Returns how many were written. */
static size_t table_put(
	const struct screen *s, const char *text, size_t room, struct buf *out)
{
	size_t len = table_length(text), n, bytes = 0, step;

	if (room == 0)
		return 0;
	if (len <= room) {
		buf_puts(out, text);
		return len;
	}
	for (n = 0; n + 1 < room; n++) {
		step = utf8_length(text + bytes, strlen(text + bytes));
		bytes += step > 0 ? step : 1;
	}
	buf_add(out, text, bytes);
	buf_puts(out, s->utf8 ? "\xe2\x80\xa6" : "~");
	return room;
}

static void table_pad(struct buf *out, size_t count)
{
	while (count-- > 0)
		buf_putc(out, ' ');
}

struct table_line {
	const struct table *t;
	const struct screen *s;
	const size_t *widths;
	struct buf *out;
	size_t at;      /* column of the screen */
	size_t pending; /* blanks not written yet: none at a line's end */
};

static void table_put_cell(struct table_line *l, size_t column,
	const char *text, enum screen_colour colour)
{
	size_t width = l->widths[column], len = table_length(text), room;
	bool right = l->t->columns[column].align == TABLE_RIGHT;

	if (width == 0)
		return;
	if (len > width)
		len = width;
	if (right)
		l->pending += width - len;
	room = l->s->width == 0 ? len
	       : (size_t)l->s->width > l->at + l->pending
		       ? (size_t)l->s->width - l->at - l->pending
		       : 0;
	if (len > room)
		len = room;
	if (len > 0) {
		table_pad(l->out, l->pending);
		buf_puts(l->out, screen_on(l->s, colour));
		l->at += l->pending + table_put(l->s, text, len, l->out);
		buf_puts(l->out, screen_off(l->s, colour));
		l->pending = 0;
	}
	l->pending += TABLE_GAP + (right ? 0 : width - len);
}

static void table_put_row(const struct table *t, const struct screen *s,
	const size_t *widths, const struct table_text *row, struct buf *out)
{
	struct table_line l = { t, s, widths, out, 0, 0 };
	size_t column;

	for (column = 0; column < t->column_count; column++) {
		if (row == NULL)
			table_put_cell(&l, column, t->columns[column].title,
				SCREEN_HEAD);
		else
			table_put_cell(&l, column, row[column].text,
				row[column].colour);
	}
	buf_putc(out, '\n');
}

void table_print(const struct table *t, const struct screen *s,
	size_t first_row, size_t rows_max, struct buf *out)
{
	size_t *widths = xcalloc(t->column_count, sizeof(*widths));
	size_t row, rows = table_rows(t), end = rows;

	if (rows_max > 0 && end > first_row + rows_max)
		end = first_row + rows_max;
	table_measure(t, widths);
	if (s->width > 0)
		table_shrink(t, (size_t)s->width, widths);
	table_put_row(t, s, widths, NULL, out);
	for (row = first_row; row < end; row++)
		table_put_row(
			t, s, widths, &t->cells[row * t->column_count], out);
	free(widths);
}
