// SPDX-License-Identifier: GPL-3.0-or-later
// What an export carries over beside the weights, a line each: a tick where the format has a place for it, a
// cross where it does not.
#pragma once

#include "core/export/carried_over.h"

#include <QWidget>

class QVBoxLayout;

namespace qs::app {

/// "Tokenizer, 1 024 tokens"; for files their number.
QString carriedText(const CarriedItem& item);
/// Names and sizes of files, the whole fingerprint; "" when the text says it all.
QString carriedHelp(const CarriedItem& item);

class CarriedList : public QWidget {
    Q_OBJECT
public:
    explicit CarriedList(QWidget* parent = nullptr);
    void setItems(const std::vector<CarriedItem>& items);
    QStringList texts() const { return m_texts; }

private:
    void addLine(const CarriedItem& item);

    QVBoxLayout* m_lines;
    QStringList m_texts;
};

} // namespace qs::app
