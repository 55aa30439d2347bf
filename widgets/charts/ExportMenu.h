// SPDX-License-Identifier: GPL-3.0-or-later
// The context menu of every picture: Copy, Save as PNG (1x, 2x, 4x), SVG, CSV, Show as table.
// The table is also the accessible form of a picture.
#pragma once

#include "widgets/charts/Picture.h"

#include <QImage>
#include <QMenu>
#include <QWidget>

namespace qs::ui {

/// The picture at `scale` device pixels per logical pixel.
QImage pictureImage(const Picture& picture, const QSize& size, double scale);
QByteArray pictureSvg(const Picture& picture, const QSize& size);

/// Writes by extension: .png at `scale`, .svg, .csv. Returns an empty string, or what went wrong and where.
QString savePicture(const Picture& picture, const QSize& size, const QString& path, double scale);

/// Adds the actions; `owner` is parent of the dialogs and gives the size. `picture` must live as long as
/// `owner`.
void addExportActions(QMenu& menu, QWidget* owner, const Picture* picture);

/// Shows addExportActions() on a context-menu request (mouse or menu key).
void installExportMenu(QWidget* owner, const Picture* picture);

/// Non-modal table of the picture's CSV, with Ctrl+C as TSV.
void showPictureTable(QWidget* owner, const Picture& picture);

} // namespace qs::ui
