// SPDX-License-Identifier: GPL-3.0-or-later
// The common look and keys of item views: rows of 22 px, row lines only, Ctrl+C copies the selection as TSV.
#pragma once

#include <QString>

class QAbstractItemView;
class QTableView;
class QTreeView;

namespace qs::ui {

/// Whole-row selection, no frame, no vertical header, no grid (the style draws row lines), numeric columns
/// keep the model's alignment. Call after or before setModel().
void setupTable(QTableView* view);
/// Uniform rows, no frame, whole-row selection.
/// Rows as high as their texts, while there are few: a sentence is to be read, not guessed. After setModel().
void wrapShortTable(QTableView* view);
void setupTree(QTreeView* view);
/// Adds Ctrl+C to a view.
void installCopyAsTsv(QAbstractItemView* view);
/// The selected cells in row order with a header row, tabs and newlines inside cells as blanks; empty without
/// a selection.
QString selectionAsTsv(const QAbstractItemView& view);

} // namespace qs::ui
