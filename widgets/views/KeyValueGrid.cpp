// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/KeyValueGrid.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/ElidedLabel.h"

#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QGridLayout>
#include <QLabel>
#include <QMenu>

namespace qs::ui {

namespace {
QColor toneColor(KeyValueGrid::Tone tone) {
    const Theme& t = theme();
    switch (tone) {
    case KeyValueGrid::Tone::Predicted:
        return t.predicted;
    case KeyValueGrid::Tone::Ok:
        return t.ok;
    case KeyValueGrid::Tone::Warning:
        return t.warning;
    case KeyValueGrid::Tone::Error:
        return t.error;
    case KeyValueGrid::Tone::Stale:
        return t.text3;
    default:
        return t.text;
    }
}

QFont toneFont(KeyValueGrid::Tone tone) {
    return tone == KeyValueGrid::Tone::Mono ? monoFont()
                                            : (tone == KeyValueGrid::Tone::Strong ? boldFont() : bodyFont());
}
} // namespace

KeyValueGrid::KeyValueGrid(QWidget* parent) : QWidget(parent), m_layout(new QGridLayout(this)) {
    m_layout->setContentsMargins(0, 0, 0, 0);
    m_layout->setHorizontalSpacing(12);
    m_layout->setVerticalSpacing(3);
    m_layout->setColumnStretch(1, 1);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, &KeyValueGrid::applyColors);
}

QLabel* KeyValueGrid::makeLabel(const QString& text, const QString& toolTip) {
    auto* label = new QLabel(text);
    label->setTextFormat(Qt::PlainText);
    label->setToolTip(toolTip);
    m_layout->addWidget(label, count(), 0, Qt::AlignLeft | Qt::AlignVCenter);
    return label;
}

int KeyValueGrid::addRow(const QString& label, const QString& value, Tone tone, const QString& toolTip) {
    Row row;
    row.label = makeLabel(label, toolTip);
    row.value = new ElidedLabel(value);
    row.value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    row.value->setToolTip(toolTip);
    row.value->setFont(toneFont(tone));
    row.tone = tone;
    m_layout->addWidget(row.value, count(), 1);
    m_rows.push_back(row);
    applyColors();
    return count() - 1;
}

int KeyValueGrid::addWidgetRow(const QString& label, QWidget* control, const QString& toolTip) {
    Row row;
    row.label = makeLabel(label, toolTip);
    row.label->setBuddy(control);
    row.control = control;
    if (control->accessibleName().isEmpty()) control->setAccessibleName(label);
    m_layout->addWidget(control, count(), 1);
    m_rows.push_back(row);
    applyColors();
    return count() - 1;
}

void KeyValueGrid::setValue(int row, const QString& value, Tone tone) {
    if (row < 0 || row >= count() || !m_rows[row].value) return;
    m_rows[row].value->setText(value);
    if (m_rows[row].tone == tone) return;
    m_rows[row].tone = tone;
    m_rows[row].value->setFont(toneFont(tone));
    applyColors();
}

void KeyValueGrid::setHelp(int row, const QString& toolTip) {
    if (row < 0 || row >= count()) return;
    m_rows[row].label->setToolTip(toolTip);
    if (m_rows[row].value) m_rows[row].value->setToolTip(toolTip);
}

QString KeyValueGrid::value(int row) const {
    return row >= 0 && row < count() && m_rows[row].value ? m_rows[row].value->text() : QString();
}

void KeyValueGrid::clear() {
    for (const Row& row : m_rows) {
        delete row.label;
        delete row.value;
        delete row.control;
    }
    m_rows.clear();
}

QString KeyValueGrid::asTsv() const {
    QString text;
    for (const Row& row : m_rows)
        if (row.value) text += row.label->text() + QLatin1Char('\t') + row.value->text() + QLatin1Char('\n');
    return text;
}

void KeyValueGrid::applyColors() {
    for (const Row& row : m_rows) {
        QPalette p = row.label->palette();
        p.setColor(QPalette::WindowText, theme().text2);
        row.label->setPalette(p);
        if (!row.value) continue;
        p.setColor(QPalette::WindowText, toneColor(row.tone));
        row.value->setPalette(p);
    }
}

void KeyValueGrid::contextMenuEvent(QContextMenuEvent* event) {
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    const auto copy = [](const QString& text) { QApplication::clipboard()->setText(text); };
    for (const Row& row : m_rows) {
        const bool here =
            event->pos().y() >= row.label->y() - 2 && event->pos().y() <= row.label->geometry().bottom() + 2;
        if (!here || !row.value) continue;
        connect(menu->addAction(icon(QStringLiteral("copy")), tr("Copy value")), &QAction::triggered, this,
                [copy, text = row.value->text()] { copy(text); });
    }
    connect(menu->addAction(tr("Copy all")), &QAction::triggered, this, [this, copy] { copy(asTsv()); });
    menu->popup(event->globalPos());
}

} // namespace qs::ui
