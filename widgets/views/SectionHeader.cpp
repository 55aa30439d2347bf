// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/SectionHeader.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QPainter>

namespace qs::ui {

SectionHeader::SectionHeader(const QString& title, const QString& note, QWidget* parent)
    : QWidget(parent), m_title(title), m_note(note) {
    setAccessibleName(title);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void SectionHeader::setTitle(const QString& title) {
    m_title = title;
    setAccessibleName(title);
    update();
}

void SectionHeader::setNote(const QString& note, bool predicted) {
    m_note = note;
    m_predicted = predicted;
    update();
}

void SectionHeader::setIconName(const QString& name) {
    m_icon = name;
    update();
}

void SectionHeader::setLineAbove(bool on) {
    m_line = on;
    update();
}

QSize SectionHeader::sizeHint() const {
    const QFontMetrics bold(boldFont());
    return {bold.horizontalAdvance(m_title) + fontMetrics().horizontalAdvance(m_note) + 40,
            std::max(28, bold.height() + 10)};
}

QSize SectionHeader::minimumSizeHint() const {
    return {80, sizeHint().height()};
}

void SectionHeader::paintEvent(QPaintEvent*) {
    const Theme& t = theme();
    QPainter p(this);
    if (m_line) p.fillRect(QRect(0, 0, width(), 1), t.border);
    const QFontMetrics bold(boldFont());
    QRect r = rect().adjusted(10, m_line ? 1 : 0, -10, 0);
    if (!m_icon.isEmpty()) {
        paintIcon(p, QRectF(r.left(), r.center().y() - 7, 15, 15), m_icon, t.accent);
        r.setLeft(r.left() + 20);
    }
    p.setFont(boldFont());
    p.setPen(t.text);
    const QString title = bold.elidedText(m_title, Qt::ElideRight, r.width());
    p.drawText(r, Qt::AlignLeft | Qt::AlignVCenter, title);
    p.setFont(font());
    p.setPen(m_predicted ? t.predicted : t.text2);
    const int room = r.width() - bold.horizontalAdvance(title) - 12;
    if (room > 20)
        p.drawText(r, Qt::AlignRight | Qt::AlignVCenter,
                   fontMetrics().elidedText(m_note, Qt::ElideLeft, room));
}

} // namespace qs::ui
