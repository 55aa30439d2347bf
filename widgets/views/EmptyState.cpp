// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/EmptyState.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"

#include <QDragEnterEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMimeData>
#include <QPainter>
#include <QVBoxLayout>

namespace qs::ui {

namespace {
QStringList localPaths(const QMimeData* mime) {
    QStringList paths;
    for (const QUrl& url : mime->urls())
        if (url.isLocalFile()) paths.push_back(url.toLocalFile());
    return paths;
}
} // namespace

EmptyState::EmptyState(const QString& text, QWidget* parent)
    : QWidget(parent), m_text(new QLabel(text)), m_hint(new QLabel), m_buttons(new QHBoxLayout) {
    m_text->setAlignment(Qt::AlignCenter);
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    m_hint->setAlignment(Qt::AlignCenter);
    m_hint->setWordWrap(true);
    m_hint->setTextFormat(Qt::PlainText);
    m_hint->hide();
    m_buttons->setSpacing(8);
    m_buttons->addStretch();
    m_buttons->addStretch();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(24, 24, 24, 24);
    layout->setSpacing(12);
    layout->addStretch();
    layout->addWidget(m_text);
    layout->addWidget(m_hint);
    layout->addLayout(m_buttons);
    layout->addStretch();
    setAccessibleName(text);
    applyColors();
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, &EmptyState::applyColors);
}

void EmptyState::applyColors() {
    QPalette p = m_text->palette();
    p.setColor(QPalette::WindowText, theme().text2);
    m_text->setPalette(p);
    p.setColor(QPalette::WindowText, theme().text3);
    m_hint->setPalette(p);
    update();
}

void EmptyState::setText(const QString& text) {
    m_text->setText(text);
    setAccessibleName(text);
}

QString EmptyState::text() const {
    return m_text->text();
}

void EmptyState::setHint(const QString& hint) {
    m_hint->setText(hint);
    m_hint->setVisible(!hint.isEmpty());
}

QPushButton* EmptyState::addButton(const QString& text, const QString& iconName, bool primary) {
    auto* button = new QPushButton(text);
    if (!iconName.isEmpty()) button->setIcon(icon(iconName, primary ? IconRole::OnAccent : IconRole::Normal));
    if (primary) makePrimary(button);
    m_buttons->insertWidget(m_buttons->count() - 1, button);
    return button;
}

void EmptyState::setDropTarget(bool on) {
    m_dropTarget = on;
    setAcceptDrops(on);
    update();
}

void EmptyState::paintEvent(QPaintEvent*) {
    const Theme& t = theme();
    QPainter p(this);
    p.fillRect(rect(), t.base);
    if (!m_dropTarget) return;
    const int w = std::min(width() - 48, 560), h = std::min(height() - 48, 240);
    const QRectF frame(QPointF((width() - w) / 2 + 0.5, (height() - h) / 2 + 0.5), QSizeF(w - 1, h - 1));
    p.setRenderHint(QPainter::Antialiasing);
    QPen pen(m_hovering ? t.accent : t.text3, m_hovering ? 2 : 1, Qt::CustomDashLine);
    pen.setDashPattern({5, 4});
    p.setPen(pen);
    p.setBrush(m_hovering ? t.selection : QColor(Qt::transparent));
    p.drawRoundedRect(frame, 6, 6);
}

void EmptyState::dragEnterEvent(QDragEnterEvent* event) {
    if (!m_dropTarget || localPaths(event->mimeData()).isEmpty()) return;
    event->acceptProposedAction();
    m_hovering = true;
    update();
}

void EmptyState::dragLeaveEvent(QDragLeaveEvent*) {
    m_hovering = false;
    update();
}

void EmptyState::dropEvent(QDropEvent* event) {
    m_hovering = false;
    update();
    const QStringList paths = localPaths(event->mimeData());
    if (paths.isEmpty()) return;
    event->acceptProposedAction();
    emit filesDropped(paths);
}

} // namespace qs::ui
