// SPDX-License-Identifier: GPL-3.0-or-later
// What the gallery paints: one function per picture. The caller owns the widget.
#pragma once

#include "FakeData.h"

#include <QString>

class QTableView;
class QTreeView;
class QWidget;

namespace qs::gallery {

inline QString u(const char* text) {
    return QString::fromUtf8(text);
}

// Tables.cpp
QTableView* outlierTable();
QTreeView* modelTree();
QWidget* tables();
// Window.cpp
QWidget* inspectWindow();
// Controls.cpp
QWidget* controls();
QWidget* emptyPage();
QWidget* menu();
QWidget* message();

} // namespace qs::gallery
