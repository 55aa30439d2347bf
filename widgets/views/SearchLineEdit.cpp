// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/SearchLineEdit.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"

#include <QAction>
#include <QKeyEvent>
#include <QPainter>

namespace qs::ui {

SearchLineEdit::SearchLineEdit(Kind kind, const QString& placeholder, QWidget* parent) : QLineEdit(parent) {
    setPlaceholderText(placeholder);
    setAccessibleName(kind == Kind::Filter ? tr("Filter") : tr("Search"));
    const QString glyph = kind == Kind::Filter ? QStringLiteral("filter") : QStringLiteral("search");
    addAction(icon(glyph, IconRole::Muted), LeadingPosition);
    setClearButtonEnabled(true);
    m_rest.setSingleShot(true);
    m_rest.setInterval(120);
    connect(this, &QLineEdit::textChanged, &m_rest, qOverload<>(&QTimer::start));
    connect(&m_rest, &QTimer::timeout, this, [this] { emit textSettled(text()); });
}

void SearchLineEdit::setRegexToggle(bool shown) {
    if (shown && !m_regex) {
        m_regex = addAction(icon(QStringLiteral("regex"), IconRole::Muted), TrailingPosition);
        m_regex->setCheckable(true);
        m_regex->setToolTip(tr("Regular expression"));
        connect(m_regex, &QAction::toggled, this, [this](bool on) {
            m_regex->setIcon(icon(QStringLiteral("regex"), on ? IconRole::Accent : IconRole::Muted));
            emit regexToggled(on);
        });
    }
    if (m_regex) m_regex->setVisible(shown);
}

void SearchLineEdit::setProblem(const QString& problem) {
    m_problem = problem;
    setToolTip(problem);
    update();
}

void SearchLineEdit::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape && !text().isEmpty()) {
        clear();
        return;
    }
    if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
        m_rest.stop();
        emit textSettled(text());
    }
    QLineEdit::keyPressEvent(event);
}

void SearchLineEdit::paintEvent(QPaintEvent* event) {
    QLineEdit::paintEvent(event);
    if (m_problem.isEmpty()) return;
    QPainter p(this);
    paintControlFrame(p, rect(), Qt::transparent, theme().error);
}

} // namespace qs::ui
