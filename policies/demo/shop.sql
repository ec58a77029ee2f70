-- A small shop with made-up people: the database of the demo and of the tests.
--
-- Plain SQL and the same rows every time, so it can be sent as one simple query by a superuser
-- and tests can name single values. Card numbers are the schemes' published test numbers;
-- national ids are in the block that is never issued. The role has no password: whoever loads
-- this file gives it one, and until then nobody can sign in as it.

CREATE ROLE shop_app LOGIN;

CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    phone text,
    card_number text NOT NULL,
    national_id varchar(11) NOT NULL,
    birth_date date,
    city text NOT NULL,
    notes text
);
CREATE TABLE products (
    id integer PRIMARY KEY,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL,
    stock integer NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers (id),
    product_id integer NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    status text NOT NULL,
    ordered_at timestamptz NOT NULL
);
CREATE INDEX ON orders (customer_id);

-- Views: hidden columns must stay hidden under another name and through a join.
CREATE VIEW customer_contacts AS
    SELECT id, name AS contact, email AS address, city FROM customers;
CREATE VIEW customer_orders AS
    SELECT o.id AS order_id, c.name AS customer, c.card_number AS paid_with,
           p.name AS product, o.quantity * p.price AS total
    FROM orders o JOIN customers c ON c.id = o.customer_id
                  JOIN products p ON p.id = o.product_id;

INSERT INTO customers
SELECT n,
       first.name || ' ' || last.name,
       lower(first.name) || '.' || lower(last.name) || n || '@mail.example',
       CASE WHEN n % 7 = 0 THEN NULL ELSE '+1 555 01' || lpad((n % 100)::text, 2, '0') END,
       (ARRAY['4111111111111111', '5555555555554444', '378282246310005',
              '6011111111111117', '3530111333300000'])[1 + n % 5],
       '9' || lpad((n % 100)::text, 2, '0') || '-'
           || lpad((50 + n % 16)::text, 2, '0') || '-' || lpad((n * 37 % 10000)::text, 4, '0'),
       date '1950-01-01' + (n * 97 % 18000),
       (ARRAY['Lisbon', 'Osaka', 'Tallinn', 'Quito', 'Perth', 'Halifax'])[1 + n % 6],
       CASE WHEN n % 11 = 0
            THEN 'Asked support to use the card ending ' || (1000 + n * 13 % 9000) END
FROM generate_series(1, 200) AS n
CROSS JOIN LATERAL (SELECT (ARRAY['Ada', 'Bela', 'Chidi', 'Dara', 'Emre', 'Farah', 'Goran',
    'Hana', 'Ines', 'Jonas'])[1 + n % 10] AS name) AS first
CROSS JOIN LATERAL (SELECT (ARRAY['Abebe', 'Brandt', 'Costa', 'Dimas', 'Endo', 'Fischer',
    'Gupta', 'Holm', 'Ivanov', 'Jansen', 'Kaya'])[1 + n % 11] AS name) AS last;

INSERT INTO products
SELECT n,
       (ARRAY['Teapot', 'Lamp', 'Notebook', 'Backpack', 'Kettle', 'Clock', 'Mug', 'Scarf'])
           [1 + n % 8] || ' No. ' || n,
       4.99 + n * 3,
       n * 17 % 120
FROM generate_series(1, 40) AS n;

INSERT INTO orders
SELECT n,
       1 + n * 31 % 200,
       1 + n * 13 % 40,
       1 + n % 4,
       (ARRAY['paid', 'shipped', 'delivered', 'returned'])[1 + n % 4],
       timestamptz '2026-01-01 09:00:00+00' + n * interval '5 hours'
FROM generate_series(1, 1000) AS n;

GRANT SELECT, INSERT, UPDATE, DELETE ON customers, products, orders TO shop_app;
GRANT SELECT ON customer_contacts, customer_orders TO shop_app;
GRANT CREATE ON SCHEMA public TO shop_app;
