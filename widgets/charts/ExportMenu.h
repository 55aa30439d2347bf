// SPDX-License-Identifier: GPL-3.0-or-later
// How every view leaves the window: Copy, Save as PNG (1x, 2x, 4x), SVG, CSV, and Show as table, which is
// also the accessible form of a picture. One mechanism for charts, maps and item views.
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

/// What a view offers, as a child of the view, so that findChildren<ExportHandle*>() finds every view of a
/// window. Shows addExportActions() on a context-menu request (mouse or menu key).
class ExportHandle : public QObject {
    Q_OBJECT
public:
    ExportHandle(QWidget* owner, const Picture* picture);
    QWidget* owner() const { return m_owner; }
    const Picture& picture() const { return *m_picture; }
    /// A new menu, owned by the view.
    QMenu* makeMenu() const;

private:
    QWidget* m_owner;
    const Picture* m_picture;
};

/// `picture` must live as long as `owner`. Again for the same owner: the new picture takes over.
void installExportMenu(QWidget* owner, const Picture* picture);

/// Non-modal table of the picture's CSV, with Ctrl+C as TSV.
void showPictureTable(QWidget* owner, const Picture& picture);

} // namespace qs::ui
