// SPDX-License-Identifier: GPL-3.0-or-later
// EmptyState: what a page shows before it has something to show: one or two sentences and the next steps as
// buttons. As a drop target it has a dashed frame that turns accent while files hover over it.
#pragma once

#include <QPushButton>
#include <QWidget>

class QHBoxLayout;
class QLabel;

namespace qs::ui {

class EmptyState : public QWidget {
    Q_OBJECT
public:
    explicit EmptyState(const QString& text, QWidget* parent = nullptr);

    void setText(const QString& text);
    QString text() const;
    /// A second, smaller line.
    void setHint(const QString& hint);
    /// `iconName` may be empty. The first primary button gets the accent fill.
    QPushButton* addButton(const QString& text, const QString& iconName = {}, bool primary = false);
    void setDropTarget(bool on);

signals:
    void filesDropped(const QStringList& paths); ///< local files and folders only

protected:
    void paintEvent(QPaintEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dragLeaveEvent(QDragLeaveEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void applyColors();
    QLabel* m_text;
    QLabel* m_hint;
    QHBoxLayout* m_buttons;
    bool m_dropTarget = false, m_hovering = false;
};

} // namespace qs::ui
