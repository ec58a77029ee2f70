use super::{dotted, undotted};

#[test]
fn no_two_lists_of_parts_have_the_same_name() {
    let lists: [(&[&str], &str); 6] = [
        (&["public", "orders"], "public.orders"),
        (&["public.orders"], "\"public.orders\""),
        (&["a", "b.c", "d"], "a.\"b.c\".d"),
        (&["a.b", "c", "d"], "\"a.b\".c.d"),
        (&["say \"hi\""], "\"say \"\"hi\"\"\""),
        (&["a\".\"b"], "\"a\"\".\"\"b\""),
    ];
    for (parts, name) in lists {
        assert_eq!(dotted(parts.iter().copied()), name);
        assert_eq!(undotted(name), parts);
    }
}
