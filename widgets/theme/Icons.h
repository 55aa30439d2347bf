// SPDX-License-Identifier: GPL-3.0-or-later
// Icons by name, drawn from resources/icons/<name>.svg in the theme's colours at paint time, so that they
// follow a theme change, the disabled state and every device pixel ratio without being replaced.
#pragma once

#include <QColor>
#include <QIcon>
#include <QPainter>
#include <QStringList>

namespace qs::ui {

enum class IconRole { Normal, Muted, Accent, OnAccent, Error, Warning, Ok };

QIcon icon(const QString& name, IconRole role = IconRole::Normal);
/// Every name icon() knows.
QStringList iconNames();
/// Paints the glyph into `rect` in one colour; for delegates and custom painters.
void paintIcon(QPainter& painter, const QRectF& rect, const QString& name, const QColor& color);
QIcon applicationIcon();

} // namespace qs::ui
