// SPDX-License-Identifier: GPL-3.0-or-later
// Finds what a user would see cut off: texts wider than their control, and controls that reach past what
// holds them.
#pragma once

#include <QtWidgets>

namespace qs::test {

namespace detail {

inline int textWidth(const QWidget* w, QString text) {
    text.remove(QLatin1Char('&'));
    return w->fontMetrics().horizontalAdvance(text);
}

/// Width the widget needs for its text; 0 when it has none, or when it shortens it on purpose.
inline int neededWidth(const QWidget* w) {
    if (const auto* label = qobject_cast<const QLabel*>(w))
        return label->wordWrap() || label->text().isEmpty() ? 0 : label->minimumSizeHint().width();
    if (const auto* button = qobject_cast<const QAbstractButton*>(w))
        return button->text().isEmpty() ? 0 : button->minimumSizeHint().width();
    if (const auto* combo = qobject_cast<const QComboBox*>(w)) {
        QStyleOptionComboBox option;
        option.initFrom(combo);
        const QRect field =
            combo->style()->subControlRect(QStyle::CC_ComboBox, &option, QStyle::SC_ComboBoxEditField, combo);
        return combo->width() - field.width() + textWidth(combo, combo->currentText());
    }
    if (const auto* line = qobject_cast<const QLineEdit*>(w))
        if (line->text().isEmpty() && !line->placeholderText().isEmpty())
            return textWidth(line, line->placeholderText()) + line->textMargins().left() +
                   line->textMargins().right() + 4;
    return 0;
}

inline QString describe(const QWidget* w) {
    QString text;
    if (const auto* label = qobject_cast<const QLabel*>(w)) text = label->text();
    if (const auto* button = qobject_cast<const QAbstractButton*>(w)) text = button->text();
    if (const auto* combo = qobject_cast<const QComboBox*>(w)) text = combo->currentText();
    if (const auto* line = qobject_cast<const QLineEdit*>(w)) text = line->placeholderText();
    return QStringLiteral("%1 %2 \"%3\"")
        .arg(QString::fromLatin1(w->metaObject()->className()), w->objectName(), text);
}

/// The dock behind another one's tab is not hidden: Qt moves it out of the window.
inline bool behindATab(const QWidget* w) {
    for (const QWidget* p = w; p; p = p->parentWidget())
        if (qobject_cast<const QDockWidget*>(p)) return p->visibleRegion().isEmpty();
    return false;
}

} // namespace detail

inline bool isShown(const QWidget* w) {
    return w->isVisible() && !detail::behindATab(w);
}

/// One line for each visible control of the window whose text is cut, or that is not wholly inside its
/// parents from left to right. What can be scrolled up and down counts as seen.
inline QStringList clippedTexts(const QWidget* window) {
    QStringList out;
    for (const QWidget* w : window->findChildren<QWidget*>()) {
        const int needed = detail::neededWidth(w);
        if (needed == 0 || !isShown(w)) continue;
        if (w->width() < needed) {
            out << QStringLiteral("%1: %2 of %3 px").arg(detail::describe(w)).arg(w->width()).arg(needed);
            continue;
        }
        QRect seen = w->rect();
        for (const QWidget* p = w; p != window; p = p->parentWidget()) {
            seen.translate(p->pos());
            const QWidget* holder = p->parentWidget();
            if (seen.left() >= 0 && seen.right() < holder->width()) continue;
            out << QStringLiteral("%1: reaches past %2").arg(detail::describe(w), holder->objectName());
            break;
        }
    }
    return out;
}

} // namespace qs::test
