// SPDX-License-Identifier: GPL-3.0-or-later
// DockTitleBar: the 26 px title of a dock: bold name, a note at the right, maximise and close. Dragging moves
// the dock (the events are left to QDockWidget); double-click asks to maximise.
#pragma once

#include <QDockWidget>
#include <QToolButton>

namespace qs::ui {

class DockTitleBar : public QWidget {
    Q_OBJECT
public:
    explicit DockTitleBar(QDockWidget* dock);
    void setNote(const QString& note);
    void setMaximized(bool maximized); ///< which glyph the button shows
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

signals:
    void maximizeRequested(bool maximize);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;

private:
    int barHeight() const;
    QDockWidget* m_dock;
    QToolButton* m_maximize;
    QToolButton* m_close;
    QString m_note;
    bool m_maximized = false;
};

} // namespace qs::ui
