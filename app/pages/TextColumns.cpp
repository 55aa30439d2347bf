// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TextColumns.h"

#include "widgets/theme/Theme.h"
#include "widgets/views/ElidedLabel.h"

#include <QLabel>
#include <QScrollBar>
#include <QVBoxLayout>

namespace qs::app {

namespace {

void applyRunColor(QLabel* badge, char letter) {
    QPalette p = badge->palette();
    p.setColor(QPalette::WindowText, ui::theme().runs[size_t(letter - 'A')]);
    badge->setPalette(p);
}

} // namespace

TextColumns::TextColumns(QWidget* parent) : QSplitter(parent) {
    setChildrenCollapsible(false);
    setHandleWidth(1);
}

TextColumns::Column TextColumns::makeColumn(char letter, const QString& name) {
    Column c;
    c.letter = letter;
    c.box = new QWidget;
    auto* layout = new QVBoxLayout(c.box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* head = new QWidget;
    auto* row = new QHBoxLayout(head);
    row->setContentsMargins(14, 4, 14, 2);
    auto* badge = new QLabel(QString(QLatin1Char(letter)));
    badge->setFont(ui::boldFont());
    applyRunColor(badge, letter);
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, badge,
            [badge, letter] { applyRunColor(badge, letter); });
    c.title = new ui::ElidedLabel(name);
    c.title->setMinimumWidth(40);
    c.note = new QLabel;
    c.note->setObjectName(QStringLiteral("textNote%1").arg(QLatin1Char(letter)));
    row->addWidget(badge);
    row->addWidget(c.title, 1);
    row->addWidget(c.note);
    c.view = new ui::TokenTextView;
    c.view->setObjectName(QStringLiteral("text%1").arg(QLatin1Char(letter)));
    layout->addWidget(head);
    layout->addWidget(c.view, 1);
    connect(c.view, &ui::TokenTextView::currentTokenChanged, this, &TextColumns::tokenChosen);
    connect(c.view, &ui::TokenTextView::tokenHovered, this, &TextColumns::tokenHovered);
    connect(c.view->verticalScrollBar(), &QScrollBar::valueChanged, this, &TextColumns::follow);
    return c;
}

void TextColumns::follow(int scroll) {
    if (m_following) return;
    m_following = true;
    for (const Column& c : m_columns)
        c.view->verticalScrollBar()->setValue(scroll);
    m_following = false;
    emit arranged();
}

void TextColumns::setColumns(const std::vector<std::pair<char, QString>>& columns) {
    const bool same =
        std::equal(columns.begin(), columns.end(), m_columns.begin(), m_columns.end(),
                   [](const auto& wanted, const Column& c) { return wanted.first == c.letter; });
    if (same) {
        for (size_t i = 0; i < columns.size(); ++i)
            m_columns[i].title->setText(columns[i].second);
        return;
    }
    for (const Column& c : m_columns)
        delete c.box;
    m_columns.clear();
    for (const auto& [letter, name] : columns) {
        m_columns.push_back(makeColumn(letter, name));
        addWidget(m_columns.back().box);
    }
    setSizes(QList<int>(count(), 1000));
}

std::vector<char> TextColumns::letters() const {
    std::vector<char> out;
    for (const Column& c : m_columns)
        out.push_back(c.letter);
    return out;
}

void TextColumns::setText(char letter, const ColumnText& text) {
    for (const Column& c : m_columns) {
        if (c.letter != letter) continue;
        c.view->setData(text.text);
        c.view->setCurrentToken(m_token);
        c.note->setText(text.note);
    }
}

void TextColumns::setCurrentToken(int token) {
    m_token = token;
    for (const Column& c : m_columns)
        c.view->setCurrentToken(token);
}

ui::TokenTextView* TextColumns::view(char letter) const {
    for (const Column& c : m_columns)
        if (c.letter == letter) return c.view;
    return nullptr;
}

int TextColumns::currentTokenBottom() const {
    int bottom = -1;
    for (const Column& c : m_columns) {
        const QRectF r = c.view->tokenRect(c.view->currentToken());
        if (!r.isEmpty())
            bottom = std::max(bottom, c.view->viewport()->mapTo(this, r.bottomLeft().toPoint()).y());
    }
    return bottom;
}

void TextColumns::resizeEvent(QResizeEvent* event) {
    QSplitter::resizeEvent(event);
    emit arranged();
}

} // namespace qs::app
